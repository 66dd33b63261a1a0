//! The whole way: posted to a webhook, found in Salesforce.

use leadgate_tests::salesforce::Config;
use leadgate_tests::signing::RsaKey;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Rig, person};

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_becomes_one_record_and_a_resend_nothing_more() {
    let rig = Rig::start().await;
    rig.lead("ada").await;
    rig.delivered(1).await;
    let lead = rig.record("ada@example.com");
    assert_eq!(
        (
            lead.get("FirstName"),
            lead.get("LastName"),
            lead.get("Company"),
            lead.get("Webhook_Submission_ID__c")
        ),
        ("ada", "Lovelace", "Engines", "ada")
    );
    let resend = rig.post_to("web", &person("ada")).await;
    assert_eq!(resend.json()["status"], "duplicate");
    // The same person says more: by another webhook, under another submission.
    let more = json!({"email": "Ada@Example.com", "title": "Countess", "submissionId": "other"});
    rig.post_to("ads", &more).await;
    rig.delivered(2).await;
    let lead = rig.record("ada@example.com");
    assert_eq!(
        (lead.get("Title"), lead.get("Webhook_Submission_ID__c")),
        ("Countess", "ada")
    );
    let writes = rig.salesforce.writes();
    assert!(
        writes.len() == 2 && writes.iter().all(|write| !write.assigned),
        "{writes:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_three_flows_sign_in() {
    let key = RsaKey::generate();
    let (public, pem) = (key.public(), key.pem().to_owned());
    let config = Config {
        public_key: Some(public),
        ..Config::default()
    };
    let rig = Rig::with(config, |sink, salesforce| {
        sink.auth = format!(
            "{{jwtBearer: {{clientId: {{name: salesforce, key: id}}, privateKey: {{name: salesforce, key: pem}}, username: \
             {}, loginUrl: \"{}\", audience: {}}}}}",
            salesforce.config().username,
            salesforce.base_url(),
            salesforce.config().audience
        );
        sink.secret.push(("pem".into(), pem));
    })
    .await;
    rig.lead("jwt").await;
    rig.delivered(1).await;

    let rig = Rig::with(Config::default(), |sink, salesforce| {
        sink.auth = format!(
            "{{refreshToken: {{clientId: {{name: salesforce, key: id}}, refreshToken: {{name: salesforce, key: refresh}}, \
             loginUrl: \"{}\"}}}}",
            salesforce.base_url()
        );
        sink.secret.push(("refresh".into(), salesforce.config().refresh_token.clone()));
    })
    .await;
    rig.lead("refresh").await;
    rig.delivered(1).await;
    assert_eq!(rig.salesforce.stats().sign_ins, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_session_is_renewed_once_for_all_callers() {
    let rig = Rig::start().await;
    rig.lead("first").await;
    rig.delivered(1).await;
    assert_eq!(rig.salesforce.stats().sign_ins, 1);
    // Calls take a while, so that many are under way when the session ends.
    rig.salesforce.change_faults(|plan| plan.latency = (30, 60));
    for n in 0..30 {
        rig.lead(&format!("many{n}")).await;
        if n == 15 {
            rig.salesforce.expire_sessions();
        }
    }
    rig.delivered(31).await;
    let stats = rig.salesforce.stats();
    assert_eq!((stats.sign_ins, stats.refused_sign_ins), (2, 0), "{stats:?}");
    assert!(
        stats.expired >= 1 && stats.duplicate_emails.is_empty(),
        "{stats:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_external_id_is_hashed_where_a_url_or_the_case_would_break_it() {
    let rig = Rig::with(Config::default(), |sink, _| {
        sink.external_id = "{field: Webhook_Submission_ID__c, value: lead.email}".into();
    })
    .await;
    rig.lead("hash").await;
    rig.delivered(1).await;
    let expected = hex::encode(Sha256::digest(b"hash@example.com"));
    assert_eq!(
        rig.record("hash@example.com").get("Webhook_Submission_ID__c"),
        expected
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fallbacks_stand_in_for_new_records_only() {
    let rig = Rig::start().await;
    let thin = |title: &str| json!({"email": "thin@example.com", "title": title, "submissionId": title});
    rig.post_to("web", &thin("one")).await;
    rig.delivered(1).await;
    let lead = rig.record("thin@example.com");
    assert_eq!(
        (lead.get("LastName"), lead.get("Company")),
        ("[unknown]", "[unknown]")
    );
    rig.post_to(
        "web",
        &json!({"email": "thin@example.com", "lastName": "Real", "submissionId": "two"}),
    )
    .await;
    rig.delivered(2).await;
    rig.post_to("web", &thin("three")).await;
    rig.delivered(3).await;
    let lead = rig.record("thin@example.com");
    assert_eq!(
        (lead.get("LastName"), lead.get("Title")),
        ("Real", "three"),
        "a name that is known stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn if_empty_never_replaces_what_stands() {
    let rig = Rig::with(Config::default(), |sink, _| {
        sink.matching = "{overwrite: IfEmpty, overwriteProperties: {Title: Always}}".into();
    })
    .await;
    let id = rig
        .salesforce
        .put(&json!({"LastName": "By Hand", "Company": "Engines Ltd", "Email": "hand@example.com"}));
    let mut body = person("hand");
    body["title"] = json!("first");
    rig.post_to("web", &body).await;
    rig.delivered(1).await;
    let lead = rig.record("hand@example.com");
    assert_eq!(
        (
            lead.id.as_str(),
            lead.get("LastName"),
            lead.get("FirstName"),
            lead.get("Title")
        ),
        (id.as_str(), "By Hand", "hand", "first")
    );
    // Remembered now: it is read by its id.
    let again = json!({"email": "hand@example.com", "firstName": "Other", "title": "second", "submissionId": "again"});
    rig.post_to("ads", &again).await;
    rig.delivered(2).await;
    let lead = rig.record("hand@example.com");
    assert_eq!((lead.get("FirstName"), lead.get("Title")), ("hand", "second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn assignment_rules_run_for_new_records_only_and_only_if_wanted() {
    let rig = Rig::with(Config::default(), |sink, _| sink.more += "; assignmentRule: true").await;
    rig.lead("assigned").await;
    rig.delivered(1).await;
    rig.post_to(
        "web",
        &json!({"email": "assigned@example.com", "title": "x", "submissionId": "2"}),
    )
    .await;
    rig.delivered(2).await;
    let assigned: Vec<bool> = rig
        .salesforce
        .writes()
        .iter()
        .map(|write| write.assigned)
        .collect();
    assert_eq!(assigned, [true, false]);
}
