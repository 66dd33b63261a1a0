//! What can be read off: health, metrics in OpenMetrics, status.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::Rig;

/// Samples by name, of a text that keeps the rules of OpenMetrics 1.0.
fn samples(text: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    assert!(text.ends_with("# EOF\n"), "no end");
    let mut families: BTreeMap<String, &str> = BTreeMap::new();
    let mut current = (String::new(), "unknown");
    let mut samples: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for line in text.strip_suffix("# EOF\n").unwrap().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(
                families.insert(name.to_owned(), kind).is_none(),
                "{name} is declared twice"
            );
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            current = (name.to_owned(), kind);
            continue;
        }
        if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert!(name.ends_with(&format!("_{unit}")), "{line}");
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let (name, labels) = series.split_once('{').map_or((series, ""), |(name, labels)| {
            (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}")))
        });
        let suffixes: &[&str] = match current.1 {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(
            suffixes
                .iter()
                .any(|suffix| name == format!("{}{suffix}", current.0)),
            "{line} does not belong to {current:?}"
        );
        assert!(seen.insert(series.to_owned()), "{series} stands twice");
        samples
            .entry(name.to_owned())
            .or_default()
            .push((labels.to_owned(), value));
    }
    samples
}

/// Prometheus' `increase()` does not see an event that makes its series.
#[tokio::test(flavor = "multi_thread")]
async fn what_alerts_count_stands_at_0_before_it_happens() {
    let rig = Rig::start().await;
    let samples = samples(&rig.call("GET", "/metrics").await.text());
    for (name, label) in [
        ("leadgate_requests_total", "outcome=\"accepted\""),
        ("leadgate_requests_total", "outcome=\"rejected\""),
        ("leadgate_requests_total", "outcome=\"unauthorized\""),
        ("leadgate_requests_total", "outcome=\"insecure\""),
        ("leadgate_requests_total", "outcome=\"unavailable\""),
        ("leadgate_key_conflicts_total", "webhook=\"default/web\""),
        ("leadgate_items_rejected_total", "webhook=\"default/web\""),
        ("leadgate_deliveries_total", "outcome=\"dead\""),
    ] {
        let series = samples.get(name).unwrap_or_else(|| panic!("no {name}"));
        let of_label: Vec<_> = series
            .iter()
            .filter(|(labels, _)| labels.contains(label))
            .collect();
        assert!(
            !of_label.is_empty() && of_label.iter().all(|(_, value)| *value == 0.0),
            "{name} {label}: {of_label:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_hold_every_figure_that_is_promised() {
    let rig = Rig::start().await;
    rig.lead("counted").await;
    rig.lead("counted").await;
    assert_eq!(rig.post(&json!({})).await.status, 400);
    rig.arrived("counted").await;
    rig.until("it is settled", || async {
        rig.sink_status().await["leads"]["pending"] == 0
    })
    .await;
    let answer = rig.call("GET", "/metrics").await;
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    let samples = samples(&answer.text());
    let value = |name: &str, label: &str| -> f64 {
        let series = samples.get(name).unwrap_or_else(|| panic!("no {name}"));
        series
            .iter()
            .filter(|(labels, _)| labels.contains(label))
            .map(|(_, value)| value)
            .sum()
    };
    for (name, label, expected) in [
        ("leadgate_requests_total", "outcome=\"accepted\"", 1.0),
        ("leadgate_requests_total", "outcome=\"duplicate\"", 1.0),
        ("leadgate_requests_total", "outcome=\"rejected\"", 1.0),
        (
            "leadgate_accept_duration_seconds_count",
            "webhook=\"default/web\"",
            2.0,
        ),
        ("leadgate_deliveries_total", "outcome=\"delivered\"", 1.0),
        (
            "leadgate_speed_to_lead_seconds_count",
            "sink=\"default/hubspot\"",
            1.0,
        ),
        ("leadgate_queue_depth", "sink=\"default/hubspot\"", 0.0),
        (
            "leadgate_queue_oldest_age_seconds",
            "sink=\"default/hubspot\"",
            0.0,
        ),
        ("leadgate_dead_leads", "sink=\"default/hubspot\"", 0.0),
        ("leadgate_held_leads", "sink=\"default/hubspot\"", 0.0),
        ("leadgate_sink_paused", "sink=\"default/hubspot\"", 0.0),
        ("leadgate_config_problems", "", 0.0),
        ("leadgate_queue_errors_total", "", 0.0),
    ] {
        let found = value(name, label);
        assert!(
            (found - expected).abs() < 0.001,
            "{name} {label} is {found}, not {expected}"
        );
    }
    assert!(value("leadgate_crm_request_duration_seconds_count", "sink=") >= 1.0);
    assert!(value("leadgate_config_reloads_total", "") >= 1.0);
    assert!(value("leadgate_queue_write_duration_seconds", "") > 0.0);
    assert!(!answer.text().contains("example.com"), "nothing personal");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_what_the_resources_show() {
    let rig = Rig::start().await;
    rig.lead("seen").await;
    rig.arrived("seen").await;
    rig.until("it is settled", || async {
        rig.sink_status().await["leads"]["delivered"] == 1
    })
    .await;
    let forged = leadgate_tests::wire::request("POST", "/webhooks/default/web", &[], b"{}");
    let answer = leadgate_tests::wire::exchange(rig.receiver.address(), forged)
        .await
        .unwrap();
    assert_eq!(answer.status, 401);
    let status = rig.get("/status").await;
    assert_eq!(
        (&status["loaded"], &status["queue"]["ready"]),
        (&json!(true), &json!(true)),
        "{status}"
    );
    assert_eq!(status["problems"], json!([]));
    let webhook = &status["webhooks"][0];
    assert_eq!(
        (&webhook["name"], &webhook["path"]),
        (&json!("default/web"), &json!("/webhooks/default/web"))
    );
    let leads = &webhook["leads"];
    for (name, count) in [
        ("accepted", 1),
        ("duplicates", 0),
        ("rejected", 0),
        ("unauthorized", 1),
        ("ignored", 0),
    ] {
        assert_eq!(leads[name], count, "{name}: {leads}");
    }
    let time = |value: &serde_json::Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let route = &webhook["sinks"][0];
    assert!(
        time(&route["lastDeliveredTime"]) >= time(&leads["lastAcceptedTime"]),
        "{webhook}"
    );
    assert!(
        route["latency"]["p50"].as_str().unwrap().ends_with("ms"),
        "{route}"
    );
    let sink = &status["sinks"][0];
    assert_eq!(
        (&sink["name"], &sink["webhooks"], &sink["suspended"]),
        (&json!("default/hubspot"), &json!(1), &json!(false))
    );
    assert_eq!(
        (&sink["pausedUntil"], &sink["lastError"]),
        (&json!(null), &json!(null)),
        "{sink}"
    );
    assert_eq!(sink["leads"]["oldestPendingSeconds"], 0);
    assert!(!status.to_string().contains("example.com"), "nothing personal");
}
