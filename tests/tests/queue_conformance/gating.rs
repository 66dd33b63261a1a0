//! Rolling limit, circuit breaker, pause.

use std::time::{Duration, Instant};

use leadgate_crds::reason::FailureReason;
use leadgate_receiver::queue::*;

use crate::rig::*;

fn reason(message: &str) -> PauseReason {
    PauseReason {
        message: message.to_owned(),
        ..PauseReason::circuit_open()
    }
}

const BREAKER: Breaker = Breaker {
    failures: 3,
    cooldown: Duration::from_millis(400),
};
const COOLED: Duration = Duration::from_millis(500);

async fn permits(queue: &dyn Queue, want: u32, limit: Option<RateLimit>) -> Grant {
    queue.permits(&crm().into(), want, limit, BREAKER).await.unwrap()
}

async fn report(rig: &Rig, health: CrmHealth) {
    rig.queue.report(&crm().into(), health, BREAKER).await.unwrap();
}

pub async fn without_limit_all_is_granted(rig: Rig) {
    let grant = permits(&*rig.queue, 1000, None).await;
    assert_eq!(
        grant,
        Grant {
            granted: 1000,
            wait: Duration::ZERO,
            paused: None,
            failures: 0
        }
    );
}

pub async fn the_limit_is_never_exceeded_in_any_window(rig: Rig) {
    let limit = RateLimit {
        requests: 20,
        per: Duration::from_millis(300),
    };
    let second = rig.second().await;
    let until = Instant::now() + Duration::from_secs(2);
    let askers = (0..6_u32).map(|n| {
        let queue = if n % 2 == 0 {
            rig.queue.clone()
        } else {
            second.clone()
        };
        tokio::spawn(async move {
            let mut grants = Vec::new();
            while Instant::now() < until {
                let before = Instant::now();
                let grant = permits(&*queue, 1 + n % 4, Some(limit)).await;
                assert!(grant.granted <= 1 + n % 4);
                if grant.granted > 0 {
                    grants.push((before, Instant::now(), grant.granted));
                }
                if grant.granted < 1 + n % 4 {
                    assert!(grant.wait > Duration::ZERO);
                    tokio::time::sleep(grant.wait.min(Duration::from_millis(20))).await;
                }
            }
            grants
        })
    });
    let mut grants = Vec::new();
    for asker in askers.collect::<Vec<_>>() {
        grants.extend(asker.await.unwrap());
    }
    // A grant happened between its two times: those surely within one window are those that were asked for
    // after its first was, and answered before the window's end.
    for (begin, ..) in &grants {
        let within = grants
            .iter()
            .filter(|(asked, answered, _)| asked >= begin && *answered < *begin + limit.per);
        let requests: u32 = within.map(|(.., granted)| granted).sum();
        assert!(requests <= limit.requests, "{requests} in a window");
    }
    assert!(
        grants.iter().map(|(.., granted)| granted).sum::<u32>() > limit.requests,
        "the window rolls on"
    );
}

pub async fn a_limit_is_used_up_and_comes_back(rig: Rig) {
    let limit = Some(RateLimit {
        requests: 5,
        per: Duration::from_millis(600),
    });
    assert_eq!(permits(&*rig.queue, 3, limit).await.granted, 3);
    let grant = permits(&*rig.queue, 3, limit).await;
    assert_eq!(grant.granted, 2);
    assert!(grant.wait > Duration::ZERO && grant.wait <= Duration::from_millis(601));
    let grant = permits(&*rig.queue, 1, limit).await;
    assert_eq!((grant.granted, &grant.paused), (0, &None));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(permits(&*rig.queue, 9, limit).await.granted, 5);
    let none = Some(RateLimit {
        requests: 0,
        per: Duration::from_secs(1),
    });
    assert_eq!(permits(&*rig.queue, 1, none).await.granted, 0);
}

pub async fn the_limit_survives_a_crash(mut rig: Rig) {
    let limit = Some(RateLimit {
        requests: 5,
        per: Duration::from_mins(2),
    });
    assert_eq!(permits(&*rig.queue, 4, limit).await.granted, 4);
    rig.crash().await;
    assert_eq!(permits(&*rig.queue, 4, limit).await.granted, 1);
}

pub async fn failures_in_a_row_open_the_circuit(rig: Rig) {
    for _ in 0..2 {
        report(&rig, CrmHealth::Down).await;
    }
    report(&rig, CrmHealth::Up).await;
    for failures in 1..=2 {
        report(&rig, CrmHealth::Down).await;
        let grant = permits(&*rig.queue, 5, None).await;
        assert_eq!((grant.granted, grant.failures), (5, failures));
    }
    report(&rig, CrmHealth::Down).await;
    let grant = permits(&*rig.queue, 5, None).await;
    assert_eq!((grant.granted, grant.failures), (0, 3));
    assert!(grant.paused.is_some());
    assert!(grant.wait > Duration::ZERO && grant.wait <= BREAKER.cooldown);
}

pub async fn an_open_circuit_grants_one_probe_at_a_time(rig: Rig) {
    let breaker = Breaker {
        failures: 1,
        cooldown: Duration::from_secs(2),
    };
    let ask = async || {
        rig.queue
            .permits(&crm().into(), 5, None, breaker)
            .await
            .unwrap()
            .granted
    };
    rig.queue
        .report(
            &crm().into(),
            CrmHealth::Down,
            Breaker {
                cooldown: Duration::from_millis(1),
                ..breaker
            },
        )
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // Who only looks takes no probe.
    let look = async || {
        rig.queue
            .permits(&crm().into(), 0, None, breaker)
            .await
            .unwrap()
            .paused
    };
    assert_eq!(look().await, None);
    assert_eq!(look().await, None);
    assert_eq!(ask().await, 1, "a probe");
    assert_eq!(ask().await, 0, "only one");
    assert!(look().await.is_some());
    // Its holder dies: after a while another may probe.
    tokio::time::sleep(breaker.cooldown + Duration::from_millis(100)).await;
    assert_eq!(ask().await, 1);
    // It fails: the circuit stays open.
    rig.queue
        .report(&crm().into(), CrmHealth::Down, breaker)
        .await
        .unwrap();
    assert_eq!(ask().await, 0);
    tokio::time::sleep(breaker.cooldown + Duration::from_millis(100)).await;
    assert_eq!(ask().await, 1);
    // It succeeds: the circuit closes.
    rig.queue
        .report(&crm().into(), CrmHealth::Up, breaker)
        .await
        .unwrap();
    assert_eq!(ask().await, 5);
}

pub async fn a_breaker_of_zero_never_opens(rig: Rig) {
    let breaker = Breaker {
        failures: 0,
        ..BREAKER
    };
    for _ in 0..10 {
        rig.queue
            .report(&crm().into(), CrmHealth::Down, breaker)
            .await
            .unwrap();
    }
    assert_eq!(
        rig.queue
            .permits(&crm().into(), 5, None, breaker)
            .await
            .unwrap()
            .granted,
        5
    );
}

pub async fn a_pause_stops_all_and_the_later_end_wins(rig: Rig) {
    rig.queue
        .pause(&crm().into(), LONG, &reason("daily limit"))
        .await
        .unwrap();
    rig.queue
        .pause(&crm().into(), Duration::from_secs(1), &reason("shorter"))
        .await
        .unwrap();
    let grant = permits(&*rig.queue, 5, None).await;
    assert_eq!((grant.granted, grant.paused), (0, Some(reason("daily limit"))));
    assert!(grant.wait > LONG / 2 && grant.wait <= LONG);
    let (until, why) = rig.stats().await.paused.unwrap();
    assert!(until > rig.stats().await.now);
    assert_eq!(why, reason("daily limit"));
    assert_eq!(
        rig.queue
            .permits(&other_crm().into(), 5, None, BREAKER)
            .await
            .unwrap()
            .granted,
        5,
        "only that sink"
    );
    rig.queue.resume(&crm().into()).await.unwrap();
    assert_eq!(permits(&*rig.queue, 5, None).await.granted, 5);
    assert_eq!(rig.stats().await.paused, None);
}

pub async fn a_persons_pause_takes_the_place_of_a_persons(rig: Rig) {
    let by_person = PauseReason {
        reason: FailureReason::PausedByPerson,
        message: "a person paused it".to_owned(),
    };
    let pause = async |long: Duration, why: &PauseReason| {
        rig.queue.pause(&crm().into(), long, why).await.unwrap();
        permits(&*rig.queue, 1, None).await.wait
    };
    assert!(pause(LONG, &by_person).await > LONG / 2);
    let shorter = LONG / 10;
    assert!(pause(shorter, &by_person).await <= shorter);
    // A CRM's stands.
    assert!(pause(LONG, &reason("daily limit")).await > LONG / 2);
    assert!(pause(shorter, &by_person).await > LONG / 2);
}

pub async fn a_pause_ends_by_itself(rig: Rig) {
    rig.queue
        .pause(&crm().into(), Duration::from_millis(300), &reason("a moment"))
        .await
        .unwrap();
    assert_eq!(permits(&*rig.queue, 1, None).await.granted, 0);
    tokio::time::sleep(COOLED).await;
    assert_eq!(permits(&*rig.queue, 1, None).await.granted, 1);
}

pub async fn resuming_closes_the_circuit_and_wakes(rig: Rig) {
    let breaker = Breaker {
        failures: 1,
        cooldown: LONG,
    };
    rig.queue
        .report(&crm().into(), CrmHealth::Down, breaker)
        .await
        .unwrap();
    assert_eq!(permits(&*rig.queue, 1, None).await.granted, 0);
    assert!(rig.stats().await.paused.is_some());
    rig.claim(1).await;
    let queue = rig.queue.clone();
    let waiter = tokio::spawn(async move { queue.wait(&crm(), LONG).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.queue.resume(&crm().into()).await.unwrap();
    tokio::time::timeout(RECOVERY, waiter).await.unwrap().unwrap();
    assert_eq!(permits(&*rig.queue, 1, None).await.granted, 1);
}
