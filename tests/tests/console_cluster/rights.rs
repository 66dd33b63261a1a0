//! Three people with the chart's roles: what each is offered, may do, and is shown.

use serde_json::json;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn each_is_offered_what_they_may_do_and_refused_the_rest() {
    let stage = Stage::with(&[]).await;
    let mut people = Vec::new();
    for (name, persona) in [("vera", "view"), ("edith", "marketing"), ("priya", "privacy")] {
        people.push((name, format!("Bearer {}", stage.person(name, persona).await)));
    }
    for n in 0..6 {
        let body =
            json!({"email": format!("a{n}@example.com"), "firstName": "Ada", "submissionId": n.to_string()});
        stage.lead(&body, 200).await;
    }
    let ids = stage.kept("dead", 6).await;
    let place = format!("/console/{}", stage.namespace);
    let needs = format!("{place}/needs/dead");
    let sink = format!("{place}/sinks/default/hubspot");
    let lead = |n: usize| format!("{place}/leads/{}", ids[n]);
    let act = |n: usize, what: &str| {
        format!(
            "set=dead&id={}+default%2Fhubspot&confirm=yes&action={what}",
            ids[n]
        )
    };
    let job = |what: &str| format!("set=dead&scope=all&action={what}");
    // A page, what it offers, the request behind it, and who may: view, edit, privacy.
    let table = [
        (
            needs.clone(),
            "value=\"replay\"",
            format!("{place}/act"),
            act(0, "replay"),
            [false, true, false],
        ),
        (
            needs.clone(),
            "value=\"replay\"",
            format!("{place}/act"),
            job("replay"),
            [false, true, false],
        ),
        (
            needs.clone(),
            "value=\"discard\"",
            format!("{place}/act"),
            job("discard"),
            [false, true, true],
        ),
        (
            lead(2),
            "/payload\"",
            format!("{}/payload", lead(2)),
            String::new(),
            [false, false, true],
        ),
        (
            sink.clone(),
            "value=\"pause\"",
            sink.clone(),
            "action=pause&seconds=900".to_owned(),
            [false, true, false],
        ),
        (
            sink.clone(),
            "value=\"resume\"",
            sink.clone(),
            "action=resume".to_owned(),
            [false, true, false],
        ),
        (
            lead(3),
            "no such button",
            format!("{}/copy", lead(3)),
            "action=preview&webhook=default%2Fweb&body=%7B%7D".to_owned(),
            [false; 3],
        ),
        (
            format!("{place}/try"),
            "name=\"body\"",
            format!("{place}/try"),
            "webhook=default%2Fweb&body=%7B%7D".to_owned(),
            [true; 3],
        ),
        (
            format!("{place}/privacy"),
            "value=\"export\"",
            format!("{place}/privacy"),
            "action=export&email=a4%40example.com".to_owned(),
            [false, false, true],
        ),
        (
            format!("{place}/privacy"),
            "value=\"erase\"",
            format!("{place}/privacy"),
            "action=erase&email=nobody%40example.com".to_owned(),
            [false, false, true],
        ),
    ];
    for (page, button, path, form, who) in &table {
        for ((name, token), may) in people.iter().zip(who) {
            let headers = &[("authorization", token.as_str())];
            let shown = stage.get(page, headers).await;
            assert!(
                [200, 403].contains(&shown.status),
                "{name} {page}: {}",
                shown.text
            );
            assert_eq!(
                shown.text.contains(button),
                *may,
                "{name}: {page} offers {button}\n{}",
                shown.text
            );
            let answer = stage.post(path, form, headers).await;
            if *may {
                assert!(
                    answer.status < 400,
                    "{name} {path} {form}: {} {}",
                    answer.status,
                    answer.text
                );
            } else {
                assert_eq!(answer.status, 403, "{name} {path} {form}: {}", answer.text);
            }
        }
    }
    // Discarding, last: by those who may
    for ((name, token), (n, may)) in people.iter().zip([(1, false), (1, true), (2, true)]) {
        let answer = stage
            .post(
                &format!("{place}/act"),
                &act(n, "discard"),
                &[("authorization", token)],
            )
            .await;
        assert_eq!(
            answer.status < 400,
            may,
            "{name}: {} {}",
            answer.status,
            answer.text
        );
    }
    stage.kept("dead", 4).await;
    // Who did it is on record, by the name that the API server knows
    let audit = stage.admin("/api/v1/audit?limit=100").await;
    let by = |act: &str| {
        let acts = audit["items"].as_array().unwrap().iter();
        let mut names: Vec<_> = acts
            .filter(|item| item["act"] == act)
            .map(|item| {
                item["by"]
                    .as_str()
                    .unwrap()
                    .rsplit(':')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        names.sort();
        names.dedup();
        names
    };
    for (act, names) in [
        ("Replayed", &["edith"][..]),
        ("Paused", &["edith"]),
        ("PayloadShown", &["priya"]),
        ("Exported", &["priya"]),
        ("Discarded", &["edith", "priya"]),
    ] {
        assert_eq!(by(act), names, "{act}: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_500_people_view_gets_nothing() {
    // Given 500 people, of whom the CRM refused most and the webhook the rest
    let stage = Stage::with(&[]).await;
    let vera = format!("Bearer {}", stage.person("vera", "view").await);
    let person = |n: usize| {
        (
            format!("person{n}@secret-{n}.example"),
            format!("Firstname{n}x"),
            format!("+4930{:07}", 1_000_000 + n),
        )
    };
    for n in 0..500 {
        let (email, name, phone) = person(n);
        let broken = if n % 5 == 0 { "broken " } else { "" };
        let body = json!({"email": format!("{broken}{email}"), "firstName": name, "phone": phone, "submissionId": n.to_string()});
        stage.lead(&body, if n % 5 == 0 { 400 } else { 200 }).await;
    }
    let mut ids = stage.kept("dead", 400).await;
    ids.extend(stage.kept("rejected", 100).await);
    // When somebody with the role view opens every page
    let place = format!("/console/{}", stage.namespace);
    let headers = &[("authorization", vera.as_str())];
    let mut paths = vec!["/console".to_owned(), place.clone()];
    for page in [
        "webhooks/default/web",
        "sinks/default/hubspot",
        "leads",
        "jobs",
        "audit",
        "try",
        "needs/dead",
        "needs/rejected",
        "needs/held",
        "needs/unrouted",
    ] {
        paths.push(format!("{place}/{page}"));
    }
    paths.extend(ids.iter().map(|id| format!("{place}/leads/{id}")));
    let mut pages = String::new();
    for path in &paths {
        let page = stage.get(path, headers).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        pages.push_str(&page.text);
    }
    // Or asks for what they may not
    for id in ids.iter().take(20) {
        let page = stage
            .post(&format!("{place}/leads/{id}/payload"), "", headers)
            .await;
        assert_eq!(page.status, 403);
        pages.push_str(&page.text);
    }
    // Then nothing tells of anybody
    assert!(pages.len() > 500_000);
    for n in 0..500 {
        let (email, name, phone) = person(n);
        for value in [
            email,
            name,
            phone.trim_start_matches('+').to_owned(),
            format!("secret-{n}."),
        ] {
            assert!(!pages.contains(&value), "{value}");
        }
    }
    let audit = stage.admin("/api/v1/audit").await;
    assert_eq!(audit["items"], json!([]), "{audit}");
}
