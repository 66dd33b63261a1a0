//! Alerts and dashboard, judged by Prometheus itself: `promtool` checks rules and names, and a Prometheus that scrapes a real
//! receiver answers every expression.

mod prometheus;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use leadgate_operator::metrics::{KindLabel, Metrics as OperatorMetrics};
use leadgate_receiver::metrics::Metrics;
use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::rig::{Rig, SECRET};
use prometheus::Prometheus;
use serde_json::Value;

const RULES: [&str; 2] = [
    "charts/leadgate/files/alerts.yaml",
    "charts/leadgate/files/alerts-operator.yaml",
];
const UNIT_TESTS: &str = "tests/data/monitoring/alerts.test.yaml";

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The alerts of both files.
fn alerts() -> Vec<Value> {
    let groups = RULES.map(|file| yaml(file)["groups"].as_array().unwrap().clone());
    let rules = groups
        .iter()
        .flatten()
        .map(|group| group["rules"].as_array().unwrap().clone());
    rules.flatten().collect()
}

fn name(alert: &Value) -> &str {
    alert["alert"].as_str().unwrap()
}

/// The title of each panel of the dashboard with its expressions, as Grafana would ask them with nothing selected.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("charts/leadgate/files/dashboard.json")).unwrap();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let mut expression = target["expr"].as_str().unwrap().to_owned();
            for (variable, value) in [
                ("$__rate_interval", "1m"),
                ("$__range", "1m"),
                ("$namespace", ".*"),
                ("$webhook", ".*"),
                ("$sink", ".*"),
            ] {
                expression = expression.replace(variable, value);
            }
            assert!(!expression.contains('$'), "{title}: {expression}");
            found.push((title.to_owned(), expression));
        }
    }
    found
}

/// Words that begin like our metrics.
fn metrics_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("leadgate_"))
        .map(str::to_owned)
        .collect()
}

/// What an OpenMetrics text has samples of.
fn sampled(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let names = samples.filter_map(|line| line.split(['{', ' ']).next());
    names.map(str::to_owned).collect()
}

/// A series of each of the operator's metrics.
fn operator() -> String {
    let metrics = OperatorMetrics::default();
    metrics
        .reconciliations
        .get_or_create(&KindLabel { kind: "LeadWebhook" })
        .inc();
    let begun = metrics.begun("LeadWebhook");
    metrics.ended("LeadWebhook", begun);
    metrics.wrote("ConfigMap", "apply");
    metrics.failed("LeadWebhook", "Reason");
    metrics.leader.set(1);
    metrics.encode().unwrap()
}

/// Runs promtool; it must have no objection.
fn promtool(arguments: &[&str], input: &str) {
    let mut process = Command::new("promtool")
        .args(arguments)
        .current_dir(path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}. Install it, e.g. apt-get install prometheus"));
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = process.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "promtool {arguments:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn rules_are_valid_and_each_alert_has_a_unit_test() {
    promtool(&["check", "rules", RULES[0], RULES[1]], "");
    promtool(&["test", "rules", UNIT_TESTS], "");
    let tests = yaml(UNIT_TESTS);
    let tested: BTreeSet<_> = tests["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|test| test["name"].as_str().unwrap().to_owned())
        .collect();
    let alerts: BTreeSet<_> = alerts().iter().map(|alert| name(alert).to_owned()).collect();
    assert_eq!(tested, alerts, "{UNIT_TESTS}");
}

#[test]
fn each_alert_leads_to_its_runbook() {
    let runbooks = read("docs/runbooks.md");
    let headings: BTreeSet<_> = runbooks
        .lines()
        .filter_map(|line| line.strip_prefix("## Leadgate"))
        .map(|rest| format!("Leadgate{rest}"))
        .collect();
    let alerts = alerts();
    let named: BTreeSet<_> = alerts.iter().map(|alert| name(alert).to_owned()).collect();
    assert_eq!(headings, named, "docs/runbooks.md");
    for alert in &alerts {
        let annotations = &alert["annotations"];
        for annotation in ["summary", "description"] {
            assert!(
                annotations[annotation].is_string(),
                "{} has no {annotation}",
                name(alert)
            );
        }
        let anchor = format!("docs/runbooks.md#{}", name(alert).to_lowercase());
        assert!(
            annotations["runbook_url"].as_str().unwrap().ends_with(&anchor),
            "{alert}"
        );
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{alert}");
    }
}

/// promtool reads the format before OpenMetrics, in which the name of a counter ends with `_total` in its comments too.
#[test]
fn metrics_are_named_as_prometheus_wants() {
    for text in [Metrics::examples().encode(false).unwrap(), operator()] {
        let counters: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
            .collect();
        let mut plain = String::new();
        for line in text.lines() {
            let words: Vec<_> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "UNIT" | "EOF", ..] => continue,
                ["#", what, name, rest] if counters.contains(&name) => {
                    plain.push_str(&format!("# {what} {name}_total {rest}"));
                }
                _ => plain.push_str(line),
            }
            plain.push('\n');
        }
        promtool(&["check", "metrics"], &plain);
    }
}

/// Those of receivers are in a table that is made from the code.
#[test]
fn metrics_of_the_operator_are_documented() {
    let operations = read("docs/operations.md");
    for line in operator().lines() {
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let suffix = if kind == "counter" { "_total" } else { "" };
        let row = format!("| `{name}{suffix}` | {kind} |");
        assert!(operations.contains(&row), "docs/operations.md has no {row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_answers_every_expression() {
    // Given a receiver with a delivered lead, a duplicate and a rejected request, which Prometheus scrapes.
    let rig = Rig::start().await;
    rig.lead("counted").await;
    rig.lead("counted").await;
    assert_eq!(rig.post_raw(b"{}", &[]).await.status, 400);
    rig.arrived("counted").await;
    let prometheus = Prometheus::start(rig.receiver.admin_address(), operator()).await;
    prometheus
        .has("count(rate(leadgate_requests_total[1m])) and count(rate(leadgate_operator_writes_total[1m]))")
        .await;
    let (_, reported) = rig.receiver.admin("/metrics").await.unwrap();
    let sampled_now = &sampled(&reported) | &sampled(&operator());
    let known = &sampled(&Metrics::examples().encode(false).unwrap()) | &sampled(&operator());

    // When every expression is asked.
    let of_alerts = alerts().into_iter().map(|alert| {
        let expression = alert["expr"].as_str().unwrap().to_owned();
        (name(&alert).to_owned(), expression, true)
    });
    let of_panels = panels().into_iter().map(|(title, expression)| {
        // SQLite without a limit has no share of it.
        let may_be_empty = expression.contains("leadgate_queue_store_max_bytes");
        (title, expression, may_be_empty)
    });
    for (title, expression, may_be_empty) in of_alerts.chain(of_panels) {
        let results = prometheus.ask(&expression).await;

        // Then it names metrics that exist, and panels whose metrics were reported show something.
        let used = metrics_in(&expression);
        assert!(!used.is_empty(), "{title}: {expression}");
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{title}: no metric is named {unknown:?}");
        if !may_be_empty && used.is_subset(&sampled_now) {
            assert!(!results.is_empty(), "{title} is empty: {expression}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_traces_that_durations_name() {
    // Given a receiver that traces each request, although no collector answers,
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
    let mut options = Options::new(sink.yaml());
    options
        .manifests
        .push(("web.yaml".into(), mapped_webhook("web", SECRET)));
    options.environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
        ("OTEL_TRACES_SAMPLER", "always_on"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let receiver = Receiver::start(options).await.unwrap();
    let rig = Rig {
        hubspot,
        receiver,
        sink,
    };
    // when a lead is accepted and delivered,
    rig.lead("traced").await;
    rig.arrived("traced").await;
    // then Prometheus knows the trace of both durations, which is one.
    let prometheus = Prometheus::start(rig.receiver.admin_address(), operator()).await;
    let accepted = prometheus.traces("leadgate_accept_duration_seconds_bucket").await;
    let delivered = prometheus.traces("leadgate_speed_to_lead_seconds_bucket").await;
    assert_eq!(accepted[0].len(), 32);
    assert_eq!(accepted[0], delivered[0]);
    // Whoever does not ask for OpenMetrics gets none, and promtool has no objection.
    let (_, plain) = rig.receiver.admin("/metrics").await.unwrap();
    assert!(plain.contains("leadgate_accept_duration_seconds_bucket"));
    assert!(
        !plain.contains("trace_id") && plain.ends_with("# EOF\n"),
        "{plain}"
    );
}
