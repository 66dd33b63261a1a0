//! Alerts name metrics that exist.

use std::{collections::BTreeSet, path::Path};

use leadgate_operator::metrics::{KindLabel, Metrics};
use serde_json::Value;

use crate::render::{named, of_kind, template};

/// Words that begin like our metrics.
fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("leadgate_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn nothing_is_monitored_unless_asked_for() {
    let objects = template(&[]).unwrap();
    assert!(of_kind(&objects, "PodMonitor").is_empty());
    assert!(of_kind(&objects, "PrometheusRule").is_empty());
}

#[test]
fn alerts_name_metrics_that_exist() {
    let objects = template(&[
        "metrics.prometheusRule.enabled=true",
        "metrics.prometheusRule.oldestLeadSeconds=1234567",
    ])
    .unwrap();
    let rule = named(&objects, "PrometheusRule", "leadgate-operator");
    let rules = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 12);
    // The receivers' metrics are in the table that is made from their code.
    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let mut known = metrics_in(&std::fs::read_to_string(operations).unwrap());
    let metrics = Metrics::default();
    metrics
        .reconciliations
        .get_or_create(&KindLabel { kind: "LeadWebhook" })
        .inc();
    metrics.wrote("ConfigMap", "apply");
    metrics.failed("LeadWebhook", "Reason");
    known.extend(metrics_in(&metrics.encode().unwrap()));
    for rule in rules {
        let used = metrics_in(rule["expr"].as_str().unwrap());
        assert!(!used.is_empty(), "{rule}");
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{unknown:?} of {rule}");
        assert!(rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string());
    }
    assert!(
        rules[0]["expr"].as_str().unwrap().ends_with("> 1234567"),
        "{}",
        rules[0]
    );
    let more = template(&[
        "metrics.prometheusRule.enabled=true",
        r#"metrics.prometheusRule.additionalRules=[{"alert":"Mine"}]"#,
    ])
    .unwrap();
    let more = &named(&more, "PrometheusRule", "leadgate-operator")["spec"]["groups"][0]["rules"];
    assert_eq!(more.as_array().unwrap().last().unwrap()["alert"], "Mine");
}

/// For those without the Prometheus operator: the same alerts as a file.
#[test]
fn the_rules_file_is_that_of_the_chart() {
    let objects = template(&["metrics.prometheusRule.enabled=true"]).unwrap();
    let mut spec = named(&objects, "PrometheusRule", "leadgate-operator")["spec"].clone();
    // Where no operator is, none is missing.
    let rules = spec["groups"][0]["rules"].as_array_mut().unwrap();
    rules.retain(|rule| rule["alert"] != "LeadgateNoLeader");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/prometheus/rules.yml");
    let written: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(written, spec, "examples/prometheus/rules.yml");
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
