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
            queue_durability: Some("on 2 of 3 disks".to_owned()),
            ..ReceiverStats::default()
        }),
        redis: Some(RedisState {
            ready: 1,
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

/// Truth of Accepted, QueueReady, QueueDurable, Available, Ready, Reconciling, Stalled; reason of Ready.
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
        hints: Vec::new(),
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
        ("all is well", applied(), running(), "TTTTTFF Ready"),
        ("nothing is there yet", applied(), Observed::default(), "TF?FFTF NotCreatedYet"),
        ("a mistake", Outcome::Mistakes(vec![conflict.clone()]), running(), "FTTTFFT StoreConflict"),
        ("a mistake with which it runs on", Outcome::Applied { errors: vec![conflict], hints: Vec::new(), note: None, waits: None }, running(), "FTTTFFT StoreConflict"),
        ("the API server does not answer", Outcome::Failed(Reason::ApiUnreachable, "m".into()), running(), "?TTTFTF ApiUnreachable"),
        ("webhooks name it", Outcome::InUse("m".into()), running(), "TTTTFTF Draining"),
        ("pods do not start", applied(), with(|s| {
            s.pods.iter_mut().for_each(trouble);
            s.rollout = Some(Rollout { wanted: 2, ..Rollout::default() });
        }), "TT?FFTF ImagePullBackOff"),
        ("the rollout is given up", applied(), with(|s| {
            s.rollout = Some(Rollout { wanted: 2, failed: Some("deadline".into()), ..Rollout::default() });
        }), "TTTFFFT Starting"),
        ("another namespace is upgraded first", Outcome::Applied { errors: Vec::new(), hints: Vec::new(), note: None, waits: Some(Waits::Turn) }, running(), "TTTTTTF Ready"),
        ("a rollout is under way", applied(), with(|s| {
            s.rollout = Some(Rollout { wanted: 2, ready: 2, ..Rollout::default() });
        }), "TTTTTTF Ready"),
        ("no pods are wanted", applied(), with(|s| s.rollout = Some(Rollout::default())), "TTTFFFF ScaledToZero"),
        ("a person has paused it", Outcome::Paused, running(), "?TTTFFF NotCheckedYet"),
        ("a quota refuses the pods", applied(), with(|s| {
            s.pods.clear();
            s.rollout = Some(Rollout { wanted: 2, refused: Some("exceeded quota".into()), ..Rollout::default() });
        }), "TT?FFTF PodsRefused"),
        ("a quota refuses the pod of Redis", applied(), with(|s| {
            s.figures = None;
            s.redis = Some(RedisState::default());
            s.redis_refused = Some("exceeded quota".into());
        }), "TF?TFTF PodsRefused"),
        ("somebody changes its objects again and again", applied(), with(|s| s.contested = Some("m".into())), "TTTTTFT Ready"),
        ("an autoscaler without metrics", applied(), with(|s| s.not_scaling = Some("no metrics".into())), "TTTTTFF Ready"),
        ("pods that did not answer once", applied(), with(|s| s.unreachable = Some("m".into())), "TTTTTFF Ready"),
        ("pods that have not answered for a minute", applied(), with(|s| {
            s.unreachable = Some("m".into());
            s.stale = true;
        }), "T??TFTF StatusStale"),
        ("the queue is away", applied(), with(|s| s.figures.as_mut().unwrap().queue_ready = false), "TFTTFTF Unavailable"),
        ("the queue forgets", applied(), with(|s| {
            s.figures.as_mut().unwrap().queue_problems = vec!["maxmemory-policy".into()];
        }), "TFFTFTF Unsafe"),
        ("the queue fills up", applied(), with(|s| s.figures.as_mut().unwrap().queue_used = Some(80)), "TTTTTFF Ready"),
        ("Redis starts", applied(), with(|s| {
            s.figures = None;
            s.redis = Some(RedisState::default());
        }), "TF?TFTF Starting"),
    ];
    for (case, outcome, observed, expected) in table {
        assert_eq!(line(&outcome, &observed), expected, "{case}");
    }
}

#[test]
fn on_how_many_disks_leads_are() {
    let three = |ready: i32| {
        with(|s| {
            s.rollout.as_mut().unwrap().acknowledge = Some(1);
            s.redis = Some(RedisState {
                replicas: 3,
                ready,
                ..RedisState::default()
            });
        })
    };
    let applied = Outcome::Applied {
        errors: Vec::new(),
        hints: Vec::new(),
        note: None,
        waits: None,
    };
    for (ready, expected) in [
        (3, "True Measured: on 2 of 3 disks"),
        (2, "True Measured: on 2 of 3 disks; 2 of 3 servers have all leads"),
        (
            1,
            "False ServersMissing: 1 of 3 servers have all leads, and leads wait for 2",
        ),
    ] {
        let all = states(&applied, &three(ready), &StoreKey::Managed, &[]);
        let (_, durable) = all.iter().find(|(name, _)| *name == "QueueDurable").unwrap();
        let said = format!("{:?} {}: {}", durable.truth, durable.reason, durable.message);
        assert_eq!(said, expected);
    }
}

#[test]
fn a_file_that_receivers_cannot_read_again_is_told_where_they_are_ready() {
    let applied = Outcome::Applied {
        errors: Vec::new(),
        hints: Vec::new(),
        note: None,
        waits: None,
    };
    let observed = with(|o| {
        o.figures.as_mut().unwrap().complaints = vec!["--outbound-ca-file: no certificate in it".to_owned()];
    });
    let all = states(&applied, &observed, &StoreKey::Managed, &[]);
    let (_, ready) = all.iter().find(|(name, _)| *name == "Ready").unwrap();
    assert_eq!(ready.truth, Truth::True);
    assert_eq!(
        ready.message,
        "leads are accepted; --outbound-ca-file: no certificate in it"
    );
}
