//! Without a right a button is absent, and the request behind it is refused; without the right to payloads no page says
//! anything of a person.

use leadgate_console::Rights;
use serde_json::json;

use super::visitor::Visitor;
use super::{Rig, broken};

const VIEW: Rights = Rights {
    see: true,
    payloads: false,
    update: false,
    delete: false,
    pause: false,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_right_is_missing_for_is_neither_offered_nor_done() {
    let rig = Rig::with(broken).await;
    let id = rig.lead("ada").await;
    rig.dead_letter_count("dead", 1).await;
    let lead = format!("/console/default/leads/{id}");
    let act = format!("set=dead&id={id}+default%2Fhubspot&confirm=yes");
    let sink = "/console/default/sinks/default/hubspot";
    let needs = "/console/default/needs/dead";
    for (rights, page, button, path, form) in [
        (
            Rights { update: true, ..VIEW },
            needs,
            "value=\"replay\"",
            "/console/default/act",
            format!("{act}&action=replay"),
        ),
        (
            Rights { delete: true, ..VIEW },
            needs,
            "value=\"discard\"",
            "/console/default/act",
            "set=dead&scope=all&action=discard".to_owned(),
        ),
        (
            Rights { pause: true, ..VIEW },
            sink,
            "value=\"pause\"",
            sink,
            "action=pause".to_owned(),
        ),
        (
            Rights {
                payloads: true,
                ..VIEW
            },
            &lead,
            "/payload\"",
            &format!("{lead}/payload"),
            String::new(),
        ),
        (
            Rights {
                payloads: true,
                ..VIEW
            },
            "/console/default/privacy",
            "value=\"export\"",
            "/console/default/privacy",
            "action=export&email=eve%40example.com".to_owned(),
        ),
        (
            Rights {
                payloads: true,
                delete: true,
                ..VIEW
            },
            "/console/default/privacy",
            "value=\"erase\"",
            "/console/default/privacy",
            "action=erase&email=eve%40example.com&confirm=yes".to_owned(),
        ),
        // Last, because a job goes on by itself.
        (
            Rights { update: true, ..VIEW },
            needs,
            "value=\"replay\"",
            "/console/default/act",
            "set=dead&scope=all&confirm=all&action=replay".to_owned(),
        ),
    ] {
        // What was replayed comes back, because the CRM refuses it again.
        rig.dead_letter_count("dead", 1).await;
        let with = Visitor { rig: &rig, rights };
        let without = Visitor {
            rig: &rig,
            rights: VIEW,
        };
        assert!(with.get(page).await.1.contains(button), "{page}: {button}");
        assert!(!without.get(page).await.1.contains(button), "{page}: {button}");
        assert_eq!(without.post(path, &form).await.0, 403, "{path} {form}");
        let (status, text) = with.post(path, &form).await;
        assert!(status < 400, "{path} {form}: {status} {text}");
    }
    for (rights, form) in [
        (
            Rights { update: true, ..VIEW },
            "action=send&webhook=default%2Fweb&body=%7B%7D",
        ),
        (
            Rights {
                payloads: true,
                ..VIEW
            },
            "action=send&webhook=default%2Fweb&body=%7B%7D",
        ),
    ] {
        let visitor = Visitor { rig: &rig, rights };
        assert_eq!(visitor.post(&format!("{lead}/copy"), form).await.0, 403);
        assert_eq!(
            visitor.post("/console/default/jobs/x", "").await.0 == 403,
            !rights.update
        );
    }
    let nobody = Visitor {
        rig: &rig,
        rights: Rights::default(),
    };
    for path in [
        "/console",
        needs,
        sink,
        &lead,
        "/console/default/audit",
        "/console/default/privacy",
        "/console/default/try",
    ] {
        assert_eq!(nobody.get(path).await.0, 403, "{path}");
    }
    let audit = rig.get("/api/v1/audit").await.to_string();
    assert!(
        audit.contains("PayloadShown") && audit.contains("vera"),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_500_people_a_visitor_without_the_right_sees_nothing() {
    // Given 500 people, delivered, dead and rejected
    let rig = Rig::with(broken).await;
    let person = |n: usize| {
        (
            format!("person{n}@secret-{n}.example"),
            format!("Firstname{n}x"),
            format!("+4930{:07}", 1_000_000 + n),
        )
    };
    for n in 0..500 {
        let (email, name, phone) = person(n);
        let body = if n % 5 == 0 {
            json!({"email": format!("broken {email}"), "firstName": name, "phone": phone, "submissionId": format!("s{n}")})
        } else {
            json!({"email": email, "firstName": name, "phone": phone, "submissionId": format!("s{n}")})
        };
        let answer = rig.post(&body).await;
        assert_eq!(
            answer.status,
            if n % 5 == 0 { 400 } else { 200 },
            "{}",
            answer.text()
        );
    }
    rig.dead_letter_count("dead", 400).await;
    rig.dead_letter_count("rejected", 100).await;
    let viewer = Visitor {
        rig: &rig,
        rights: VIEW,
    };
    // When every page that tells of them is opened
    let mut paths: Vec<String> = [
        "/console",
        "/console/default/webhooks/default/web",
        "/console/default/sinks/default/hubspot",
        "/console/default/jobs",
        "/console/default/audit",
        "/console/default/try",
    ]
    .map(str::to_owned)
    .to_vec();
    for set in ["dead", "rejected", "held", "unrouted"] {
        paths.push(format!("/console/default/needs/{set}"));
    }
    paths.push("/console/default/leads".to_owned());
    for set in ["dead", "rejected"] {
        for lead in rig.dead_letters(set).await {
            paths.push(format!("/console/default/leads/{}", lead["id"].as_str().unwrap()));
        }
    }
    let mut pages = String::new();
    for path in &paths {
        let (status, page) = viewer.get(path).await;
        assert_eq!(status, 200, "{path}");
        pages.push_str(&page);
    }
    pages.push_str(
        &viewer
            .post(
                "/console/default/leads/search",
                "email=person1%40secret-1.example",
            )
            .await
            .1,
    );
    // Then none of them names anybody
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
}
