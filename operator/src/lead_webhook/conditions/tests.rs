use super::*;
use crate::conditions::Truth;
use crate::validation::ValidationError;
use crate::workloads::Rollout;
use leadgate_crds::counts::StoredCounts;
use leadgate_crds::report::SinkLeads;
use serde_json::json;

fn webhook(spec: &serde_json::Value) -> LeadWebhook {
    let mut object = json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook",
        "metadata": {"name": "web", "namespace": "n", "generation": 1},
        "spec": {"auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}]}});
    object["spec"]
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().cloned().unwrap());
    serde_json::from_value(object).unwrap()
}

fn running() -> Observed {
    let route = json!({"name": "crm", "pending": 0, "delivered": 5, "latency": {"p99": "900.0ms"}});
    Observed {
        rollout: Some(Rollout {
            wanted: 2,
            replicas: 2,
            ready: 2,
            complete: true,
            failed: None,
        }),
        pods: vec![PodState {
            ready: true,
            ..PodState::default()
        }],
        figures: Some(ReceiverStats {
            stored: StoredCounts {
                accepted: 5,
                ..StoredCounts::default()
            },
            queue_ready: true,
            routes: vec![serde_json::from_value(route).unwrap()],
            ..ReceiverStats::default()
        }),
        ..Observed::default()
    }
}

fn with(change: impl Fn(&mut Observed)) -> Observed {
    let mut observed = running();
    change(&mut observed);
    observed
}

fn mistake(about: ErrorScope) -> Outcome {
    Outcome::Mistakes(vec![ValidationError {
        about,
        reason: Reason::PathTaken,
        message: "m".to_owned(),
    }])
}

/// Truth of Accepted, ResolvedRefs, QueueReady, Available, Delivering, Ready, Reconciling, Stalled; reason of Ready.
fn line(spec: &serde_json::Value, outcome: &Outcome, observed: &Observed) -> String {
    let webhook = webhook(spec);
    let status = crate::lead_webhook::status::status(
        &webhook,
        &LeadWebhookStatus::default(),
        outcome,
        observed,
        jiff::Timestamp::UNIX_EPOCH,
    );
    let all = states(&webhook, &status, outcome, observed);
    let letters: String = all
        .iter()
        .map(|(_, s)| match s.truth {
            Truth::True => 'T',
            Truth::False => 'F',
            Truth::Unknown => '?',
        })
        .collect();
    let ready = all.iter().find(|(name, _)| *name == "Ready").unwrap();
    format!("{letters} {}", ready.1.reason)
}

#[test]
fn what_the_conditions_say() {
    let none = json!({});
    let applied = Outcome::Applied(Vec::new());
    let fast = json!({"objectives": {"speedToLead": "500ms"}});
    let suspended = json!({"suspend": true});
    let trouble = |pod: &mut PodState| {
        pod.ready = false;
        pod.trouble = Some(("ImagePullBackOff".to_owned(), "m".to_owned()));
    };
    #[rustfmt::skip]
    let table: Vec<(&str, &serde_json::Value, Outcome, Observed, &str)> = vec![
        ("all is well", &none, applied.clone(), running(), "TTTTTTFF Ready"),
        ("nothing is there yet", &none, applied.clone(), Observed::default(), "TTFF?FTF NotCreatedYet"),
        ("a mistake in the spec", &none, mistake(ErrorScope::Spec), running(), "FTTTTFFT PathTaken"),
        ("a mistake in a reference", &none, mistake(ErrorScope::References), running(), "TFTTTFFT PathTaken"),
        ("the API server does not answer", &none, Outcome::Failed(Reason::ApiUnreachable, "m".into()), running(), "??TTTFTF ApiUnreachable"),
        ("it drains", &none, Outcome::Draining(false, "m".into()), running(), "TTTTTFTF Draining"),
        ("it drains for too long", &none, Outcome::Draining(true, "m".into()), running(), "TTTTTFFT Draining"),
        ("pods do not start", &none, applied.clone(), with(|s| {
            s.pods.iter_mut().for_each(trouble);
            s.rollout = Some(Rollout { wanted: 2, ..Rollout::default() });
        }), "TTTFTFTF ImagePullBackOff"),
        ("the rollout is given up", &none, applied.clone(), with(|s| {
            s.rollout = Some(Rollout { wanted: 2, failed: Some("deadline".into()), ..Rollout::default() });
        }), "TTTFTFFT Starting"),
        ("a rollout is under way", &none, applied.clone(), with(|s| {
            s.rollout = Some(Rollout { wanted: 2, ready: 2, ..Rollout::default() });
        }), "TTTTTTTF Ready"),
        ("no pods are wanted", &none, applied.clone(), with(|s| s.rollout = Some(Rollout::default())), "TTTTTTFF Ready"),
        ("the receivers object", &none, applied.clone(), with(|s| {
            s.figures.as_mut().unwrap().problems = vec!["LeadWebhook n/web: spec.payload: no".into()];
        }), "FTTTTFFT InvalidConfiguration"),
        ("the queue is away", &none, applied.clone(), with(|s| s.figures.as_mut().unwrap().queue_ready = false), "TTFTTFTF Unavailable"),
        ("the queue forgets", &none, applied.clone(), with(|s| {
            s.figures.as_mut().unwrap().queue_problems = vec!["maxmemory-policy".into()];
        }), "TTFTTFTF Unsafe"),
        ("leads wait for a sink that is gone", &none, Outcome::Applied(vec![waiting::without_sink("old", 2, "it does not exist")]), running(), "TTTTFFTF SinkGone"),
        ("the queue fills up", &none, applied.clone(), with(|s| s.figures.as_mut().unwrap().queue_used = Some(80)), "TTTTTTFF Ready"),
        ("the sink waits", &none, applied.clone(), with(|s| {
            let sink = crate::stats::SinkFigures { paused_reason: Some("InvalidCredentials".into()), ..Default::default() };
            s.figures.as_mut().unwrap().sinks.insert("crm".into(), sink);
        }), "TTTTFFTF SinkPaused"),
        ("too slow is late, not absent", &fast, applied.clone(), running(), "TTTTFTFF Ready"),
        ("a queue that does not move", &fast, applied.clone(), with(|s| {
            let figures = s.figures.as_mut().unwrap();
            figures.routes.iter_mut().for_each(|r| { r.latency = None; r.deliveries.pending = 1; });
            let leads = SinkLeads { oldest_pending_seconds: 9, ..SinkLeads::default() };
            figures.sinks.insert("crm".into(), crate::stats::SinkFigures { leads, ..Default::default() });
        }), "TTTTFTFF Ready"),
        ("no lead yet", &none, applied.clone(), with(|s| s.figures.as_mut().unwrap().stored.accepted = 0), "TTTT?TFF Ready"),
        ("suspended", &suspended, applied, running(), "TTTTTTFF Suspended"),
    ];
    for (case, spec, outcome, observed, expected) in table {
        assert_eq!(line(spec, &outcome, &observed), expected, "{case}");
    }
}
