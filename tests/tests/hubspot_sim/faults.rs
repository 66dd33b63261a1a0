//! Lag, limits, faults and books.

use std::time::{Duration, Instant};

use leadgate_tests::hubspot::{Config, Fault, FaultPlan, Limits, Millis, Odds};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Sim, V3, config, parts};

#[tokio::test]
async fn the_search_lags() {
    let lag = Duration::from_millis(400);
    let sim = Sim::new(Config {
        search_lag: lag,
        ..config()
    })
    .await;
    let find = async |value: &str| {
        let filter = json!({"propertyName": "phone", "operator": "EQ", "value": value});
        let body = json!({"filterGroups": [{"filters": [filter]}], "properties": ["phone"], "limit": 5});
        sim.post(&format!("{V3}/search"), body).await.1["total"]
            .as_u64()
            .unwrap()
    };
    let id = sim.create(json!({"email": "a@example.com", "phone": "1"})).await;
    assert_eq!(find("1").await, 0, "too new");
    tokio::time::sleep(lag).await;
    assert_eq!(find("1").await, 1);
    sim.patch(&format!("{V3}/{id}"), json!({"phone": "2"})).await;
    assert_eq!((find("1").await, find("2").await), (1, 0), "still the old value");
    tokio::time::sleep(lag).await;
    assert_eq!((find("1").await, find("2").await), (0, 1));
}

#[tokio::test]
async fn limits_are_kept_and_told() {
    let limits = Limits {
        ten_seconds: 3,
        daily: 1000,
        searches_per_second: 1,
    };
    let sim = Sim::new(Config { limits, ..config() }).await;
    for left in [2, 1, 0] {
        let response = sim.request(Method::GET, &format!("{V3}/1")).send().await.unwrap();
        assert_eq!(
            response.headers()["x-hubspot-ratelimit-remaining"],
            left.to_string()
        );
        assert_eq!(response.headers()["x-hubspot-ratelimit-max"], "3");
        assert_eq!(
            response.headers()["x-hubspot-ratelimit-interval-milliseconds"],
            "10000"
        );
    }
    let (status, body) = sim.send(Method::GET, &format!("{V3}/1"), Value::Null).await;
    assert_eq!(
        (status, &body["policyName"]),
        (429, &json!("TEN_SECONDLY_ROLLING"))
    );
    assert_eq!(sim.hubspot.stats().max_in_ten_seconds, 4);

    let limits = Limits {
        daily: 1,
        ..Limits::STARTER
    };
    let sim = Sim::new(Config { limits, ..config() }).await;
    sim.create(json!({"email": "a@example.com"})).await;
    let (status, body) = sim.send(Method::GET, &format!("{V3}/1"), Value::Null).await;
    assert_eq!((status, &body["policyName"]), (429, &json!("DAILY")));
}

#[tokio::test]
async fn a_lost_answer_is_a_write_nonetheless() {
    let sim = Sim::new(config()).await;
    sim.hubspot.script([Fault::LoseAnswer, Fault::Close]);
    let create = |email: &str| {
        sim.request(Method::POST, V3)
            .json(&json!({"properties": {"email": email}}))
            .send()
    };
    assert!(create("a@example.com").await.is_err());
    assert!(sim.hubspot.contact("a@example.com").is_some());
    assert!(create("b@example.com").await.is_err());
    assert!(sim.hubspot.contact("b@example.com").is_none());

    sim.hubspot.script([Fault::DelayAnswer { millis: 60_000 }]);
    let late = sim
        .request(Method::POST, V3)
        .timeout(Duration::from_millis(300))
        .json(&json!({"properties": {"email": "c@example.com"}}));
    assert!(late.send().await.unwrap_err().is_timeout());
    assert!(sim.hubspot.contact("c@example.com").is_some());
    assert_eq!(sim.hubspot.stats().lost_answers, 2);
    assert_eq!(create("a@example.com").await.unwrap().status(), 409);
}

#[tokio::test]
async fn faults_have_their_documented_answers_and_the_books_see_impatience() {
    let sim = Sim::new(Config {
        retry_after_grace: Duration::ZERO,
        ..config()
    })
    .await;
    let status = |code, retry_after| Fault::Status {
        code,
        retry_after,
        policy: None,
    };
    for (fault, code, retry_after) in [
        (status(423, None), 423, None),
        (status(500, None), 500, None),
        (status(502, None), 502, None),
        (status(504, None), 504, None),
        (status(477, Some(1)), 477, Some("1")),
    ] {
        sim.hubspot.script([fault]);
        let response = sim.request(Method::GET, &format!("{V3}/1")).send().await.unwrap();
        let seen = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!((response.status().as_u16(), seen.as_deref()), (code, retry_after));
    }
    assert_eq!(sim.hubspot.stats().before_retry_after, 0);
    sim.send(Method::GET, &format!("{V3}/1"), Value::Null).await;
    assert_eq!(sim.hubspot.stats().before_retry_after, 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    sim.send(Method::GET, &format!("{V3}/1"), Value::Null).await;
    assert_eq!(sim.hubspot.stats().before_retry_after, 1);
    assert_eq!(sim.hubspot.stats().requests["GET contacts/{id} 404"], 2);
}

#[tokio::test]
async fn chance_repeats_itself_with_its_seed() {
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let faults = FaultPlan {
            odds: vec![
                Odds::status(0.3, 503),
                Odds::new(
                    0.2,
                    Fault::Status {
                        code: 429,
                        retry_after: None,
                        policy: None,
                    },
                ),
            ],
            ..FaultPlan::default()
        };
        let sim = Sim::new(Config {
            seed,
            faults,
            ..config()
        })
        .await;
        let mut run = Vec::new();
        for _ in 0..60 {
            run.push(sim.send(Method::GET, &format!("{V3}/1"), Value::Null).await.0);
        }
        assert!([404, 429, 503].iter().all(|code| run.contains(code)));
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn racing_writes_of_one_contact_are_seen() {
    let faults = FaultPlan {
        latency: Millis::fixed(300),
        ..FaultPlan::default()
    };
    let sim = Sim::new(Config { faults, ..config() }).await;
    let create = |email: &'static str| sim.post(V3, json!({"properties": {"email": email}}));
    tokio::join!(create("a@example.com"), create("b@example.com"));
    assert_eq!(sim.hubspot.stats().concurrent_writes, 0);
    let path = format!("{V3}/a@example.com?idProperty=email");
    let begun = Instant::now();
    tokio::join!(
        sim.patch(&path, json!({"note": "1"})),
        sim.patch(&path, json!({"note": "2"}))
    );
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(sim.hubspot.stats().concurrent_writes, 1);
    sim.patch(&path, json!({"note": "3"})).await;
    assert_eq!(sim.hubspot.stats().concurrent_writes, 1);
}

#[tokio::test]
async fn it_can_be_down_and_told_so_from_outside() {
    let sim = Sim::new(config()).await;
    let control = |path: &str, body: Value| {
        sim.client
            .post(format!("{}{path}", sim.hubspot.base_url()))
            .json(&body)
            .send()
    };
    assert_eq!(
        control("/_sim/faults", json!({"lattency": 3}))
            .await
            .unwrap()
            .status(),
        400
    );
    let _ = control("/_sim/faults", json!({"downMillis": 60_000})).await;
    let create = || {
        sim.request(Method::POST, V3)
            .json(&json!({"properties": {"email": "a@example.com"}}))
            .send()
    };
    assert!(create().await.is_err());
    sim.hubspot.up();
    assert_eq!(create().await.unwrap().status(), 201);
    let plan = json!({"latency": {"min": 0, "max": 1}, "next": [{"status": {"code": 503, "retryAfter": 2}}, "loseAnswer"]});
    assert_eq!(control("/_sim/faults", plan).await.unwrap().status(), 200);
    assert_eq!(create().await.unwrap().status(), 503);
    let get = |path: &str| sim.client.get(format!("{}{path}", sim.hubspot.base_url())).send();
    let (_, contacts) = parts(get("/_sim/contacts").await.unwrap()).await;
    assert_eq!(
        (&contacts["total"], &contacts["contacts"][0]["history"][0]["seq"]),
        (&json!(1), &json!(1))
    );
    let (_, stats) = parts(get("/_sim/stats").await.unwrap()).await;
    assert_eq!(
        (&stats["contacts"], &stats["requests"]["POST contacts 201"]),
        (&json!(1), &json!(1))
    );
    let (_, faults) = parts(get("/_sim/faults").await.unwrap()).await;
    assert_eq!(faults["next"], json!(["loseAnswer"]));
}
