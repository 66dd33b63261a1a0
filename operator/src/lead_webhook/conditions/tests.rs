use super::*;
use crate::conditions::Truth;
use crate::conditions::conditions;
use crate::edges::Edge;
use crate::lead_webhook::outcome::Serving;
use crate::stats::Run;
use crate::validation::ValidationError;
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

/// A receiver that is well.
fn receiver(queue: ConditionState, available: ConditionState) -> Serving {
    let named = vec![("QueueReady", queue), ("Available", available)];
    Serving {
        name: "default".to_owned(),
        conditions: conditions(named, &[], 1, jiff::Timestamp::UNIX_EPOCH),
    }
}

fn run(generation: i64) -> Run {
    Run {
        uid: String::new(),
        generation,
        served: true,
    }
}

fn running() -> Observed {
    let route = json!({"name": "crm", "pending": 0, "delivered": 5, "latency": {"p99": "900.0ms"}});
    Observed {
        receiver: Some(receiver(
            ConditionState::yes(Reason::Ready, "m"),
            ConditionState::yes(Reason::PodsReady, "m"),
        )),
        figures: Some(WebhookStats {
            stored: StoredCounts {
                accepted: 5,
                ..StoredCounts::default()
            },
            routes: vec![serde_json::from_value(route).unwrap()],
            runs: vec![Some(run(1)), Some(run(1))],
            ..WebhookStats::default()
        }),
        ..Observed::default()
    }
}

fn with(change: impl Fn(&mut Observed)) -> Observed {
    let mut observed = running();
    change(&mut observed);
    observed
}

fn draining(late: bool) -> Outcome {
    Outcome::Draining {
        late,
        why: "m".to_owned(),
        mistakes: Vec::new(),
    }
}

/// A webhook without a LeadReceiver of its own has no other place that says why nothing is made.
#[test]
fn what_keeps_the_receiver_from_being_made_is_said_by_the_webhook() {
    let taken = || ConditionState::no(Reason::NameTaken, "Service leadgate-redis exists");
    let named = vec![
        ("Accepted", taken()),
        ("QueueReady", ConditionState::no(Reason::NotCreatedYet, "m")),
        ("Available", ConditionState::no(Reason::NotCreatedYet, "m")),
        ("Ready", taken()),
        ("Stalled", ConditionState::yes(Reason::NameTaken, "m")),
    ];
    let observed = with(|observed| {
        observed.receiver = Some(Serving {
            name: "default".to_owned(),
            conditions: conditions(named.clone(), &[], 1, jiff::Timestamp::UNIX_EPOCH),
        });
    });
    let webhook = webhook(&json!({}));
    let said = states(
        &webhook,
        &LeadWebhookStatus::default(),
        &Outcome::Applied(Vec::new()),
        &observed,
    );
    for (name, truth) in [
        ("Programmed", Truth::False),
        ("Ready", Truth::False),
        ("Stalled", Truth::True),
    ] {
        let (_, state) = said.iter().find(|(of, _)| *of == name).unwrap();
        assert_eq!(
            (state.truth, state.reason.as_str()),
            (truth, "NameTaken"),
            "{name}"
        );
        assert!(
            state.message.contains("leadgate-redis"),
            "{name}: {}",
            state.message
        );
    }
}

/// What is missing may be why leads wait.
#[test]
fn a_webhook_that_drains_still_says_what_is_missing() {
    let outcome = Outcome::Draining {
        late: true,
        why: "m".to_owned(),
        mistakes: vec![ValidationError {
            about: ErrorScope::References,
            reason: Reason::SinkMissing,
            message: "there is no CrmSink crm".to_owned(),
        }],
    };
    let said = states(
        &webhook(&json!({})),
        &LeadWebhookStatus::default(),
        &outcome,
        &running(),
    );
    let (_, resolved) = said.iter().find(|(of, _)| *of == "ResolvedRefs").unwrap();
    assert_eq!(
        (resolved.truth, resolved.reason.as_str()),
        (Truth::False, "SinkMissing")
    );
}

fn mistake(about: ErrorScope) -> Outcome {
    Outcome::Mistakes(vec![ValidationError {
        about,
        reason: Reason::PathTaken,
        message: "m".to_owned(),
    }])
}

/// Truth of Accepted, ResolvedRefs, Programmed, Delivering, Ready, Reconciling, Stalled; reason of Ready.
fn line(spec: &serde_json::Value, outcome: &Outcome, observed: &Observed) -> String {
    let webhook = webhook(spec);
    let status = crate::lead_webhook::status::status(
        &webhook,
        &LeadWebhookStatus::default(),
        outcome,
        observed,
        None,
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
    let ingress = json!({"ingress": {"host": "h"}});
    let served = |s: &mut Observed| s.edges = vec![Some(Edge::Serves(None))];
    let certificate = ValidationError {
        about: ErrorScope::Edge,
        reason: Reason::SecretMissing,
        message: "m".to_owned(),
    };
    #[rustfmt::skip]
    let table: Vec<(&str, &serde_json::Value, Outcome, Observed, &str)> = vec![
        ("all is well", &none, applied.clone(), running(), "TTTTTFF Ready"),
        ("nothing is there yet", &none, applied.clone(), Observed::default(), "TT??FTF NotCheckedYet"),
        ("a mistake in the spec", &none, mistake(ErrorScope::Spec), running(), "FTFTFFT PathTaken"),
        ("a mistake in a reference", &none, mistake(ErrorScope::References), running(), "TFFTFFT PathTaken"),
        ("the API server does not answer", &none, Outcome::Failed(Reason::ApiUnreachable, "m".into()), running(), "??TTFTF ApiUnreachable"),
        ("it drains", &none, draining(false), running(), "TTTTFTF Draining"),
        ("it drains for too long", &none, draining(true), running(), "TTTTFFT Draining"),
        ("its receiver's pods do not start", &none, applied.clone(), with(|s| {
            s.receiver = Some(receiver(ConditionState::yes(Reason::Ready, "m"), ConditionState::no(Reason::Starting, "m")));
        }), "TTFTFTF Starting"),
        ("its receiver's queue is away", &none, applied.clone(), with(|s| {
            s.receiver = Some(receiver(ConditionState::no(Reason::Unavailable, "m"), ConditionState::yes(Reason::PodsReady, "m")));
        }), "TTFTFTF Unavailable"),
        ("no pods are wanted", &none, applied.clone(), with(|s| {
            s.receiver = Some(receiver(ConditionState::yes(Reason::Ready, "m"), ConditionState::no(Reason::ScaledToZero, "m")));
            s.figures.as_mut().unwrap().runs.clear();
        }), "TTFTFFF ScaledToZero"),
        ("a person has paused it", &none, Outcome::Paused, running(), "??TTFFF NotCheckedYet"),
        ("an Ingress that nobody serves", &ingress, applied.clone(), with(|s| s.edges = vec![Some(Edge::Untaken("m".into()))]), "TTTFTFTF NoAddress"),
        ("an Ingress that is not there yet", &ingress, applied.clone(), with(|s| s.edges = vec![None]), "TTTFTFTF NotCheckedYet"),
        ("a Gateway that refuses the route", &ingress, applied.clone(), with(|s| s.edges = vec![Some(Edge::Refused("m".into()))]), "TTTFTFTF RouteRefused"),
        ("an Ingress with an address", &ingress, applied.clone(), with(|s| s.edges = vec![Some(Edge::Serves(Some("192.0.2.7".into())))]), "TTTTTTFF Ready"),
        ("a pod has the former form", &none, applied.clone(), with(|s| s.figures.as_mut().unwrap().runs = vec![Some(run(1)), Some(run(0))]), "TTFTFTF Pending"),
        ("a pod does not know it yet", &none, applied.clone(), with(|s| s.figures.as_mut().unwrap().runs = vec![Some(run(1)), None]), "TTFTFTF Pending"),
        ("it moves", &none, applied.clone(), with(|s| s.receiver.as_mut().unwrap().name = "edge".into()), "TTFTFTF Moving"),
        ("the receivers object", &none, applied.clone(), with(|s| {
            s.figures.as_mut().unwrap().problems = vec!["spec.payload: no".into()];
        }), "FTTTFFT InvalidConfiguration"),
        ("its Ingress lacks its certificate", &ingress, Outcome::Applied(vec![certificate]), with(served), "TFTFTFTF SecretMissing"),
        ("somebody changes its Ingress again and again", &ingress, applied.clone(), Observed { contested: Some("m".into()), ..with(served) }, "TTTTTTFT Ready"),
        ("leads wait for a sink that is gone", &none, Outcome::Applied(vec![waiting::without_sink("old", 2, "it does not exist")]), running(), "TTTFFTF SinkGone"),
        ("the sink waits", &none, applied.clone(), with(|s| {
            let sink = crate::stats::SinkFigures { paused_reason: Some("InvalidCredentials".into()), ..Default::default() };
            s.sinks.insert("crm".into(), sink);
        }), "TTTFFTF SinkPaused"),
        ("another webhook's sink waits", &none, applied.clone(), with(|s| {
            let sink = crate::stats::SinkFigures { paused_reason: Some("InvalidCredentials".into()), ..Default::default() };
            s.sinks.insert("other".into(), sink);
        }), "TTTTTFF Ready"),
        ("too slow is late, not absent", &fast, applied.clone(), running(), "TTTFTFF Ready"),
        ("a queue that does not move", &fast, applied.clone(), with(|s| {
            let figures = s.figures.as_mut().unwrap();
            figures.routes.iter_mut().for_each(|r| { r.latency = None; r.deliveries.pending = 1; });
            let leads = SinkLeads { oldest_pending_seconds: 9, ..SinkLeads::default() };
            s.sinks.insert("crm".into(), crate::stats::SinkFigures { leads, ..Default::default() });
        }), "TTTFTFF Ready"),
        ("no lead yet", &none, applied.clone(), with(|s| s.figures.as_mut().unwrap().stored.accepted = 0), "TTT?TFF Ready"),
        ("suspended", &suspended, applied, running(), "TTTTTFF Suspended"),
    ];
    for (case, spec, outcome, observed, expected) in table {
        assert_eq!(line(spec, &outcome, &observed), expected, "{case}");
    }
}
