//! The tree, from objects of Kubernetes. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use leadgate_crds::counts::{DeliveryCounts, StoredCounts};
use leadgate_crds::crm_sink::CrmSinkStatusAudit;
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};

use super::Node;
use crate::objects::{Health, Level, condition, health_of};

/// Pure: a tree for each namespace.
pub(super) fn tree(receivers: &[LeadReceiver], webhooks: &[LeadWebhook], sinks: &[CrmSink]) -> Vec<Node> {
    let mut found: BTreeMap<(String, String), Node> = BTreeMap::new();
    let mut namespaces: BTreeMap<String, Node> = BTreeMap::new();
    for receiver in receivers {
        let key = (receiver.namespace().unwrap_or_default(), receiver.name_any());
        found.insert(key, of_receiver(receiver));
    }
    for webhook in webhooks {
        let status = webhook.status.clone().unwrap_or_default();
        let receiver = status
            .receiver
            .clone()
            .unwrap_or_else(|| webhook.spec.receiver_ref.name.clone());
        let key = (webhook.namespace().unwrap_or_default(), receiver);
        let implied = || Node::new("LeadReceiver", &key.1, Health::new(Level::Fine, "Implied", ""));
        let parent = found.entry(key.clone()).or_insert_with(implied);
        let counts = status.leads.deliveries;
        let rates = [status.success_rate.as_deref(), status.p99.as_deref()];
        let mut figures = of_webhook(&status.leads.stored, counts, rates);
        if webhook.spec.suspend {
            figures.push_str(", suspended");
        }
        let health = health_of(webhook, status.observed_generation, &status.conditions);
        parent
            .children
            .push(Node::new("LeadWebhook", webhook.name_any(), look(health, counts)).figures(figures));
    }
    let namespace = |name: &str| Node::new("Namespace", name, Health::new(Level::Fine, "", ""));
    for ((name, _), node) in found {
        namespaces
            .entry(name.clone())
            .or_insert_with(|| namespace(&name))
            .children
            .push(node);
    }
    for sink in sinks {
        let status = sink.status.clone().unwrap_or_default();
        let counts = status.leads.deliveries;
        let mut figures = of_sink(counts, status.audit.as_ref());
        if status.paused {
            figures.push_str(", paused");
        }
        let health = health_of(sink, status.observed_generation, &status.conditions);
        let node = Node::new("CrmSink", sink.name_any(), look(health, counts)).figures(figures);
        let name = sink.namespace().unwrap_or_default();
        namespaces
            .entry(name.clone())
            .or_insert_with(|| namespace(&name))
            .children
            .push(node);
    }
    namespaces.into_values().collect()
}

fn of_receiver(receiver: &LeadReceiver) -> Node {
    let status = receiver.status.clone().unwrap_or_default();
    let health = health_of(receiver, status.observed_generation, &status.conditions);
    let figures = format!("{} pods, {} webhooks", status.replicas, status.webhooks);
    let mut node = Node::new("LeadReceiver", receiver.name_any(), health).figures(figures);
    if let Some(queue) = condition(&status.conditions, "QueueReady") {
        let health = if queue.status == "True" {
            Health::fine()
        } else {
            Health::new(Level::Wrong, &queue.reason, &queue.message)
        };
        let used = status
            .queue_used
            .map(|used| format!(", {used} used"))
            .unwrap_or_default();
        let store = status.store.unwrap_or_default();
        node.children.push(
            Node::new("Queue", "", health).figures(format!("{store}{used}, {} pending", status.pending)),
        );
    }
    node
}

/// The figures of a webhook in words; `success_rate` and `p99` as far as they are known.
pub(super) fn of_webhook(
    stored: &StoredCounts,
    counts: DeliveryCounts,
    [success_rate, p99]: [Option<&str>; 2],
) -> String {
    let mut figures = format!("{} accepted, {} rejected", stored.accepted, stored.rejected);
    let mut add = |text: String| figures.push_str(&text);
    if let Some(rate) = stored.rejection_rate() {
        add(format!(" ({rate} %)"));
    }
    add(format!(", {}", deliveries(counts)));
    if let Some(rate) = success_rate {
        add(format!(", success {rate} %"));
    }
    if let Some(p99) = p99 {
        add(format!(", p99 {p99}"));
    }
    figures
}

/// The figures of a sink in words.
pub(super) fn of_sink(counts: DeliveryCounts, audit: Option<&CrmSinkStatusAudit>) -> String {
    let mut figures = deliveries(counts);
    if let Some(audit) = audit {
        let rate = audit.duplicate_rate.as_deref().unwrap_or("–");
        let (duplicates, audited) = (audit.duplicates, audit.audited);
        figures.push_str(&format!(
            ", {duplicates} of {audited} audited records duplicate ({rate} %)"
        ));
        if let Some(reason) = &audit.reason {
            figures.push_str(&format!(", audit: {reason}"));
        }
    }
    figures
}

/// Counts in words.
fn deliveries(counts: DeliveryCounts) -> String {
    format!(
        "{} delivered, {} pending, {} held, {} dead",
        counts.delivered, counts.pending, counts.held, counts.dead
    )
}

/// What works, and waits for a person nevertheless.
pub(super) fn look(health: Health, counts: DeliveryCounts) -> Health {
    match (health.level, counts.held, counts.dead) {
        (Level::Fine, 1.., _) => Health::new(
            Level::Warning,
            "Held",
            "see kubectl leadgate leads list --set held",
        ),
        (Level::Fine, _, 1..) => Health::new(
            Level::Warning,
            "Dead",
            "see kubectl leadgate leads list --set dead",
        ),
        _ => health,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sort;
    use super::*;
    use crate::output::Output;

    fn object<K: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &str, ready: &str) -> K {
        let spec: serde_json::Value = serde_json::from_str(spec).unwrap();
        serde_json::from_value(json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": kind,
            "metadata": {"namespace": "n", "name": name, "generation": 1}, "spec": spec,
            "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": ready, "reason": "SecretMissing",
                "message": "create it", "lastTransitionTime": "2026-11-01T00:00:00Z"}]}}))
        .unwrap()
    }

    #[test]
    fn the_four_figures_are_told_as_far_as_they_are_known() {
        let counts = DeliveryCounts {
            delivered: 8,
            ..DeliveryCounts::default()
        };
        let stored = StoredCounts {
            accepted: 9,
            rejected: 1,
            ..StoredCounts::default()
        };
        assert_eq!(
            of_webhook(&stored, counts, [Some("99.2"), Some("38ms")]),
            "9 accepted, 1 rejected (10 %), 8 delivered, 0 pending, 0 held, 0 dead, success 99.2 %, p99 38ms"
        );
        assert_eq!(
            of_webhook(&StoredCounts::default(), DeliveryCounts::default(), [None, None]),
            "0 accepted, 0 rejected, 0 delivered, 0 pending, 0 held, 0 dead"
        );
        let audit = CrmSinkStatusAudit {
            audited: 8,
            duplicates: 1,
            duplicate_rate: Some("12.5".to_owned()),
            reason: Some("Refused".to_owned()),
            ..CrmSinkStatusAudit::default()
        };
        assert_eq!(
            of_sink(counts, Some(&audit)),
            "8 delivered, 0 pending, 0 held, 0 dead, 1 of 8 audited records duplicate (12.5 %), audit: Refused"
        );
        assert_eq!(of_sink(counts, None), "8 delivered, 0 pending, 0 held, 0 dead");
    }

    #[test]
    fn what_is_wrong_comes_first_and_decides_for_what_it_is_in() {
        let spec = r#"{"auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}]}"#;
        let webhooks = [
            object("LeadWebhook", "a", spec, "True"),
            object("LeadWebhook", "z", spec, "False"),
        ];
        let sinks = [object(
            "CrmSink",
            "crm",
            r#"{"hubspot": {"tokenSecretRef": {"name": "t", "key": "t"}}}"#,
            "True",
        )];
        let mut nodes = tree(&[], &webhooks, &sinks);
        sort(&mut nodes);
        let mut lines = Vec::new();
        for node in &nodes {
            node.lines("", "", &mut lines);
        }
        let text = Output::new(crate::output::Format::Table).columns(&lines);
        let names: Vec<&str> = text
            .lines()
            .map(|line| line.split("   ").next().unwrap_or(line))
            .collect();
        let expected = [
            "Namespace n",
            "├─ LeadReceiver default",
            "│  ├─ LeadWebhook z",
            "│  └─ LeadWebhook a",
            "└─ CrmSink crm",
        ];
        assert_eq!(names.len(), expected.len(), "{text}");
        for (line, expected) in text.lines().zip(expected) {
            assert!(line.starts_with(expected), "{text}");
        }
        assert!(text.contains("SecretMissing") && text.contains("create it"));
        assert_eq!(nodes[0].worst(), Level::Wrong);
    }
}
