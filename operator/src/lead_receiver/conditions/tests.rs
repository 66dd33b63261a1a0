use super::*;
use crate::conditions::Truth;
use crate::lead_receiver::Waits;
use crate::stats::ReceiverStats;
use crate::workloads::{RedisState, Rollout};

fn running() -> Observed {
    Observed {
        rollout: Some(Rollout {
            wanted: 2,
            replicas: 2,
            ready: 2,
            complete: true,
            ..Rollout::default()
        }),
        pods: vec![PodState {
            ready: true,
            ..PodState::default()
        }],
        figures: Some(ReceiverStats {
            queue_ready: true,
            ..ReceiverStats::default()
        }),
        redis: Some(RedisState {
            ready: true,
            ..RedisState::default()
        }),
        ..Observed::default()
    }
}

fn with(change: impl Fn(&mut Observed)) -> Observed {
    let mut observed = running();
    change(&mut observed);
    observed
}

/// Truth of Accepted, QueueReady, Available, Ready, Reconciling, Stalled; reason of Ready.
fn line(outcome: &Outcome, observed: &Observed) -> String {
    let all = states(outcome, observed, &StoreKey::Managed, &[]);
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
    let applied = || Outcome::Applied {
        errors: Vec::new(),
        note: None,
        waits: None,
    };
    let conflict = ValidationError::of_spec(Reason::StoreConflict, "m".to_owned());
    let trouble = |pod: &mut PodState| {
        pod.ready = false;
        pod.trouble = Some(("ImagePullBackOff".to_owned(), "m".to_owned()));
    };
    #[rustfmt::skip]
    let table: Vec<(&str, Outcome, Observed, &str)> = vec![
        ("all is well", applied(), running(), "TTTTFF Ready"),
        ("nothing is there yet", applied(), Observed::default(), "TFFFTF NotCreatedYet"),
        ("a mistake", Outcome::Mistakes(vec![conflict.clone()]), running(), "FTTFFT StoreConflict"),
        ("a mistake with which it runs on", Outcome::Applied { errors: vec![conflict], note: None, waits: None }, running(), "FTTFFT StoreConflict"),
        ("the API server does not answer", Outcome::Failed(Reason::ApiUnreachable, "m".into()), running(), "?TTFTF ApiUnreachable"),
        ("webhooks name it", Outcome::InUse("m".into()), running(), "TTTFTF Draining"),
        ("pods do not start", applied(), with(|s| {
            s.pods.iter_mut().for_each(trouble);
            s.rollout = Some(Rollout { wanted: 2, ..Rollout::default() });
        }), "TTFFTF ImagePullBackOff"),
        ("the rollout is given up", applied(), with(|s| {
            s.rollout = Some(Rollout { wanted: 2, failed: Some("deadline".into()), ..Rollout::default() });
        }), "TTFFFT Starting"),
        ("another namespace is upgraded first", Outcome::Applied { errors: Vec::new(), note: None, waits: Some(Waits::Turn) }, running(), "TTTTTF Ready"),
        ("a rollout is under way", applied(), with(|s| {
            s.rollout = Some(Rollout { wanted: 2, ready: 2, ..Rollout::default() });
        }), "TTTTTF Ready"),
        ("no pods are wanted", applied(), with(|s| s.rollout = Some(Rollout::default())), "TTFFFF ScaledToZero"),
        ("a person has paused it", Outcome::Paused, running(), "?TTFFF NotCheckedYet"),
        ("a quota refuses the pods", applied(), with(|s| {
            s.pods.clear();
            s.rollout = Some(Rollout { wanted: 2, refused: Some("exceeded quota".into()), ..Rollout::default() });
        }), "TTFFTF PodsRefused"),
        ("a quota refuses the pod of Redis", applied(), with(|s| {
            s.figures = None;
            s.redis = Some(RedisState::default());
            s.redis_refused = Some("exceeded quota".into());
        }), "TFTFTF PodsRefused"),
        ("an autoscaler without metrics", applied(), with(|s| s.not_scaling = Some("no metrics".into())), "TTTTFF Ready"),
        ("pods that did not answer once", applied(), with(|s| s.unreachable = Some("m".into())), "TTTTFF Ready"),
        ("pods that have not answered for a minute", applied(), with(|s| {
            s.unreachable = Some("m".into());
            s.stale = true;
        }), "T?TFTF StatusStale"),
        ("the queue is away", applied(), with(|s| s.figures.as_mut().unwrap().queue_ready = false), "TFTFTF Unavailable"),
        ("the queue forgets", applied(), with(|s| {
            s.figures.as_mut().unwrap().queue_problems = vec!["maxmemory-policy".into()];
        }), "TFTFTF Unsafe"),
        ("the queue fills up", applied(), with(|s| s.figures.as_mut().unwrap().queue_used = Some(80)), "TTTTFF Ready"),
        ("Redis starts", applied(), with(|s| {
            s.figures = None;
            s.redis = Some(RedisState::default());
        }), "TFTFTF Starting"),
    ];
    for (case, outcome, observed, expected) in table {
        assert_eq!(line(&outcome, &observed), expected, "{case}");
    }
}
