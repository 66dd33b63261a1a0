//! What the chart adds for Prometheus and Grafana. Whether it is right is judged by `tests/tests/monitoring`.

use leadgate_tests::node::chart;
use serde_json::Value;

use crate::render::{named, of_kind, template};

fn file(name: &str) -> String {
    std::fs::read_to_string(chart().join("files").join(name)).unwrap()
}

#[test]
fn nothing_is_monitored_unless_asked_for() {
    let objects = template(&[]).unwrap();
    assert!(of_kind(&objects, "PodMonitor").is_empty());
    assert!(of_kind(&objects, "PrometheusRule").is_empty());
    assert!(of_kind(&objects, "ConfigMap").is_empty());
}

#[test]
fn the_rules_are_those_of_the_files() {
    let enabled = "metrics.prometheusRule.enabled=true";
    let rendered = |values: &[&str]| {
        let objects = template(values).unwrap();
        named(&objects, "PrometheusRule", "leadgate-operator")["spec"]["groups"].clone()
    };
    let mut written = Vec::new();
    for name in ["alerts.yaml", "alerts-operator.yaml"] {
        let rules: Value = serde_saphyr::from_str(&file(name)).unwrap();
        written.extend(rules["groups"].as_array().unwrap().clone());
    }
    assert_eq!(rendered(&[enabled]), Value::from(written));

    let changed = rendered(&[
        enabled,
        "metrics.prometheusRule.oldestLeadSeconds=1234567",
        r#"metrics.prometheusRule.additionalRules=[{"alert":"Mine"}]"#,
    ]);
    let oldest = &changed[0]["rules"][0];
    assert!(
        oldest["expr"].as_str().unwrap().ends_with("> 1234567"),
        "{oldest}"
    );
    assert_eq!(changed[2]["rules"][0]["alert"], "Mine");
}

#[test]
fn the_dashboard_is_that_of_the_file() {
    let objects = template(&[
        "metrics.dashboard.enabled=true",
        r#"metrics.dashboard.namespace="monitoring""#,
        r#"metrics.dashboard.annotations={"grafana_folder":"Leads"}"#,
    ])
    .unwrap();
    let map = named(&objects, "ConfigMap", "leadgate-operator-dashboard");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(map["metadata"]["namespace"], "monitoring");
    assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Leads");
    let rendered: Value = serde_json::from_str(map["data"]["leadgate.json"].as_str().unwrap()).unwrap();
    assert_eq!(
        rendered,
        serde_json::from_str::<Value>(&file("dashboard.json")).unwrap()
    );
}

#[test]
fn monitors_select_the_operator_and_the_receivers() {
    let everywhere = template(&[
        "metrics.podMonitor.enabled=true",
        r#"metrics.podMonitor.labels={"release":"prometheus"}"#,
    ])
    .unwrap();
    let monitors = of_kind(&everywhere, "PodMonitor");
    assert_eq!(monitors.len(), 2);
    for monitor in &monitors {
        assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    }
    let receivers = named(&everywhere, "PodMonitor", "leadgate-operator-receivers");
    assert_eq!(receivers["spec"]["namespaceSelector"]["any"], true);
    let labels = leadgate_operator::names::labels("website");
    for (name, value) in receivers["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(labels.get(name).map(String::as_str), value.as_str(), "{name}");
    }
    assert_eq!(receivers["spec"]["podMetricsEndpoints"][0]["port"], "admin");
    let some = template(&["metrics.podMonitor.enabled=true", r#"watchNamespaces=["sales"]"#]).unwrap();
    let receivers = named(&some, "PodMonitor", "leadgate-operator-receivers");
    assert_eq!(
        receivers["spec"]["namespaceSelector"]["matchNames"],
        Value::from(vec!["sales"])
    );
}
