//! Which receiver senders reach, and whether its pods run the webhook. Pure.

use kube::ResourceExt as _;
use leadgate_crds::LeadWebhook;

use crate::stats::{Run, WebhookStats};

/// Whether every ready pod runs this form of the webhook. Without a pod, nobody does.
pub fn runs(webhook: &LeadWebhook, stats: Option<&WebhookStats>) -> bool {
    let (runs, pods) = share(webhook, stats);
    pods > 0 && runs == pods
}

/// How many ready pods run this form of the webhook, of how many.
pub fn share(webhook: &LeadWebhook, stats: Option<&WebhookStats>) -> (usize, usize) {
    let Some(stats) = stats else { return (0, 0) };
    let wanted = Some(Run {
        uid: webhook.uid().unwrap_or_default(),
        generation: webhook.metadata.generation.unwrap_or_default(),
        served: true,
    });
    let runs = stats.runs.iter().filter(|run| **run == wanted);
    (runs.count(), stats.runs.len())
}

/// The receiver that senders are to reach: the one that the webhook names, as soon as its pods run the webhook. Until then the
/// one that they reached before, unless that is gone.
pub fn serving(webhook: &LeadWebhook, target: Option<&WebhookStats>, current_exists: bool) -> String {
    let wanted = &webhook.spec.receiver_ref.name;
    let current = webhook
        .status
        .as_ref()
        .and_then(|status| status.receiver.as_ref());
    match current {
        Some(current) if current != wanted && current_exists && !runs(webhook, target) => current.clone(),
        _ => wanted.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn webhook(wanted: &str, current: &str) -> LeadWebhook {
        let object = json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook",
            "metadata": {"name": "w", "uid": "u", "generation": 3},
            "spec": {"auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}],
                "receiverRef": {"name": wanted}},
            "status": {"observedGeneration": 2, "receiver": current}});
        serde_json::from_value(object).unwrap()
    }

    fn pods(runs: &[Option<(&str, i64, bool)>]) -> WebhookStats {
        let run = |(uid, generation, served): (&str, i64, bool)| Run {
            uid: uid.to_owned(),
            generation,
            served,
        };
        WebhookStats {
            runs: runs.iter().map(|pod| pod.map(run)).collect(),
            ..WebhookStats::default()
        }
    }

    #[test]
    fn it_runs_when_every_ready_pod_runs_this_form_of_this_object() {
        let new = Some(("u", 3, true));
        #[rustfmt::skip]
        let table = [
            ("no pod is ready", vec![], false),
            ("all", vec![new, new], true),
            ("one has the former form", vec![new, Some(("u", 2, true))], false),
            ("one did not answer", vec![new, None], false),
            ("an earlier object of the same name", vec![Some(("t", 3, true))], false),
            ("they only deliver its leads", vec![Some(("u", 3, false))], false),
        ];
        for (case, runs_of, expected) in table {
            assert_eq!(
                runs(&webhook("a", "a"), Some(&pods(&runs_of))),
                expected,
                "{case}"
            );
        }
    }

    #[test]
    fn senders_are_led_to_another_receiver_when_its_pods_run_the_webhook() {
        let ready = pods(&[Some(("u", 3, true))]);
        let not_yet = pods(&[None]);
        for (case, wanted, current, target, exists, expected) in [
            ("at home", "a", "a", &ready, true, "a"),
            ("not ready there", "b", "a", &not_yet, true, "a"),
            ("ready there", "b", "a", &ready, true, "b"),
            ("the former one is gone", "b", "a", &not_yet, false, "b"),
        ] {
            assert_eq!(
                serving(&webhook(wanted, current), Some(target), exists),
                expected,
                "{case}"
            );
        }
    }
}
