use super::*;
use crate::crm::Throttled;
use crate::queue::{Breaker, RateLimit};
use crate::throttle::PauseReason;

fn settings() -> DeliverySettings {
    DeliverySettings {
        timeout: Duration::from_secs(10),
        max_age: Duration::from_hours(72),
        initial_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_mins(15),
        limit: RateLimit {
            requests: 100,
            per: Duration::from_secs(10),
        },
        breaker: Breaker {
            failures: 5,
            cooldown: Duration::from_secs(30),
        },
        concurrency: 8,
        batch_size: 100,
        on_refused_property: leadgate_crds::crm_sink::OnRefusedProperty::Drop,
        linger: Duration::from_millis(50),
    }
}

fn after(outcome: crm::Outcome, age: Duration) -> Decision {
    let delivery = settings();
    let hour = Duration::from_hours(1);
    decide(
        outcome,
        Circumstances {
            attempt: 2,
            age,
            before_crm: false,
            keep_dead: hour,
            keep_held: hour,
            keep_payload: Duration::ZERO,
            delivery: &delivery,
            account: "account",
        },
    )
}

#[test]
fn a_temporary_failure_waits_at_least_as_long_as_the_crm_asked_and_dies_of_old_age_only() {
    let retry = |after| crm::Outcome::Retry {
        after,
        why: Failure::new(FailureReason::Unavailable, "HubSpot failed"),
        in_doubt: true,
    };
    let long = Duration::from_mins(50);
    let decision = after(retry(Some(long)), Duration::ZERO);
    let queue::Disposition::Retry {
        after: wait,
        in_doubt: true,
        why,
    } = decision.settle
    else {
        panic!("{decision:?}")
    };
    assert!(wait >= long);
    let half_an_hour = Duration::from_mins(30);
    for (left, expected) in [(Duration::from_hours(2), MAX_PAUSE), (half_an_hour, half_an_hour)] {
        let for_ever = after(
            retry(Some(Duration::from_secs(99_999_999_999))),
            Duration::from_hours(72).saturating_sub(left),
        );
        assert!(
            matches!(for_ever.settle, queue::Disposition::Retry { after, .. } if after == expected),
            "{for_ever:?}"
        );
    }
    assert_eq!(why, LastError::new("Unavailable", "HubSpot failed"));
    let old = after(retry(None), Duration::from_hours(72));
    let queue::Disposition::DeadLetter {
        set: DeadLetterSet::Dead,
        why,
        ..
    } = old.settle
    else {
        panic!("{old:?}")
    };
    assert_eq!(why.reason, "RetriesExhausted");
}

#[test]
fn a_pause_or_a_closed_throttle_costs_the_lead_nothing() {
    let why = Failure::new(FailureReason::RateLimited, "wait");
    let paused = after(
        crm::Outcome::Pause {
            pause: Duration::from_secs(9),
            why,
        },
        Duration::from_hours(100),
    );
    assert_eq!(paused.pause, Some(Duration::from_secs(9)));
    assert!(
        matches!(paused.settle, queue::Disposition::Release { after, .. } if after == RETRY_AFTER_RELEASE),
        "however early the pause ends, it is due"
    );
    let year = after(
        crm::Outcome::Pause {
            pause: Duration::from_hours(24 * 365),
            why: Failure::new(FailureReason::RateLimited, "wait"),
        },
        Duration::ZERO,
    );
    assert_eq!(year.pause, Some(MAX_PAUSE));
    let denied = crm::Outcome::Throttled(Throttled {
        wait: Duration::from_secs(3),
        paused: Some(PauseReason::circuit_open()),
    });
    assert!(
        matches!(after(denied, Duration::ZERO).settle, queue::Disposition::Release { after, why: None } if after == RETRY_AFTER_RELEASE)
    );
}

#[test]
fn after_three_lost_claims_a_lead_is_dead_and_before_the_third_it_is_tried_alone() {
    let expected = [
        Caution::Together,
        Caution::Together,
        Caution::Alone,
        Caution::Crashed,
        Caution::Crashed,
    ];
    for (lost, expected) in (0..).zip(expected) {
        assert_eq!(caution(lost), expected, "{lost}");
    }
    let queue::Disposition::DeadLetter { set, why, .. } = crashed(Duration::from_hours(1)).settle else {
        panic!("it is not tried again")
    };
    assert_eq!(
        (set, why.reason.as_str()),
        (DeadLetterSet::Dead, "DeliveryCrashed")
    );
}

#[test]
fn a_lead_that_may_be_to_blame_for_a_pause_grows_old_meanwhile() {
    let suspect = || crm::Outcome::Suspect {
        why: Failure::new(FailureReason::MissingScopes, "a permission"),
        in_doubt: false,
        own: true,
    };
    let young = after(suspect(), Duration::from_hours(1));
    assert_eq!(young.pause, Some(RETRY_AFTER_MISCONFIGURED));
    assert!(
        matches!(young.settle, queue::Disposition::Release { after, .. } if after > RETRY_AFTER_MISCONFIGURED),
        "it goes behind the leads that wait for the end of the pause"
    );
    let old = after(suspect(), Duration::from_hours(72));
    let queue::Disposition::DeadLetter { set, why, .. } = old.settle else {
        panic!("{old:?}")
    };
    assert_eq!(
        (set, why.reason.as_str()),
        (DeadLetterSet::Dead, "RetriesExhausted")
    );
    assert!(why.message.contains("a permission"), "{}", why.message);
}

#[test]
fn what_the_crm_refuses_for_good_is_dead_at_once_and_what_needs_a_person_is_held() {
    let why = Failure::new(FailureReason::InvalidEmail, "email");
    assert!(matches!(
        after(crm::Outcome::Reject(why.clone()), Duration::ZERO).settle,
        queue::Disposition::DeadLetter {
            set: DeadLetterSet::Dead,
            ..
        }
    ));
    assert!(matches!(
        after(
            crm::Outcome::Hold {
                why,
                candidates: vec!["51".to_owned()]
            },
            Duration::ZERO
        )
        .settle,
        queue::Disposition::DeadLetter {
            set: DeadLetterSet::Held,
            ..
        }
    ));
}
