//! What the forms do, without any script.

use serde_json::json;

use super::{Rig, broken, get, html, post};

#[tokio::test(flavor = "multi_thread")]
async fn leads_are_chosen_discarded_after_a_question_and_replayed() {
    let mut rig = Rig::with(broken).await;
    let (ada, bea) = (rig.lead("ada").await, rig.lead("bea").await);
    rig.dead_letter_count("dead", 2).await;
    // Discarding asks first
    let form = format!("set=dead&id={ada}+default%2Fhubspot&action=discard");
    let question = html(&post(&rig, "/console/-/act", &form).await);
    assert!(
        question.contains("Discard these leads?") && question.contains("name=\"confirm\" value=\"yes\""),
        "{question}"
    );
    assert_eq!(rig.dead_letters("dead").await.len(), 2);
    let answer = post(&rig, "/console/-/act", &format!("{form}&confirm=yes")).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/console/-/needs/dead?done=1"))
    );
    assert_eq!(rig.dead_letters("dead").await.len(), 1);
    // What has gone cannot be discarded again, and the page says why
    let answer = post(&rig, "/console/-/act", &format!("{form}&confirm=yes")).await;
    assert!(
        html(&answer).contains("Left as they were: 1"),
        "{}",
        answer.text()
    );
    // Replaying delivers once the mapping is right
    rig.change_sink(|sink| sink.properties = String::new());
    rig.until("the mapping is read", || async {
        let _ = post(
            &rig,
            "/console/-/act",
            &format!("set=dead&id={bea}+default%2Fhubspot&action=replay"),
        )
        .await;
        rig.hubspot.contact("bea@example.com").is_some()
    })
    .await;
    let audit = html(&get(&rig, "/console/-/audit").await);
    assert!(
        audit.contains("Discarded") && audit.contains("Replayed") && audit.contains(&ada),
        "{audit}"
    );
    assert_eq!(
        post(&rig, "/console/-/act", "set=dead&action=replay")
            .await
            .status,
        400
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_a_filter_is_counted_and_then_done_as_a_job() {
    let rig = Rig::with(broken).await;
    for name in ["ada", "bea", "cleo"] {
        rig.lead(name).await;
    }
    rig.dead_letter_count("dead", 3).await;
    let form = "set=dead&reason=UnknownProperty&scope=all&action=discard";
    for confirm in ["", "&confirm=yes"] {
        let question = html(&post(&rig, "/console/-/act", &format!("{form}{confirm}")).await);
        assert!(question.contains("Leads: <b>3</b>"), "{question}");
    }
    assert_eq!(rig.dead_letters("dead").await.len(), 3);
    let question = html(&post(&rig, "/console/-/act", form).await);
    let (_, key) = question.split_once("name=\"key\" value=\"").unwrap();
    let sure = format!("{form}&confirm=all&key={}", key.split('"').next().unwrap());
    let answer = post(&rig, "/console/-/act", &sure).await;
    // A double click begins one job.
    let again = post(&rig, "/console/-/act", &sure).await;
    assert_eq!(again.header("location"), answer.header("location"));
    let job = answer.header("location").unwrap().to_owned();
    assert!(
        answer.status == 303 && job.starts_with("/console/-/jobs/"),
        "{answer:?}"
    );
    let page = html(&get(&rig, &job).await);
    assert!(page.contains("<dt>Reason</dt><dd>UnknownProperty</dd>"), "{page}");
    let audit = html(&get(&rig, "/console/-/audit").await);
    assert!(audit.contains(&format!("href=\"{job}\"")), "{audit}");
    rig.dead_letter_count("dead", 0).await;
    rig.until("the job has ended", || async {
        html(&get(&rig, &job).await).contains("Completed")
    })
    .await;
    assert!(html(&get(&rig, "/console/-/jobs").await).contains("Discard: Dead"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_request_is_corrected_as_a_copy_and_its_payload_is_shown_on_record() {
    let rig = Rig::start().await;
    let answer = rig
        .post(&json!({"email": "not-an-address", "firstName": "Ada", "submissionId": "1"}))
        .await;
    assert_eq!(answer.status, 400);
    rig.dead_letter_count("rejected", 1).await;
    let id = rig.dead_letters("rejected").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let list = html(&get(&rig, "/console/-/needs/rejected").await);
    assert!(list.contains(&id) && !list.contains("not-an-address"), "{list}");
    let shown = html(&post(&rig, &format!("/console/-/leads/{id}/payload"), "").await);
    assert!(
        shown.contains("not-an-address") && shown.contains("<textarea"),
        "{shown}"
    );
    let audit = html(&get(&rig, "/console/-/audit").await);
    assert!(audit.contains("Payload shown") && audit.contains(&id), "{audit}");
    // A preview stores nothing
    let copy = |body: &str, action: &str| format!("webhook=default%2Fweb&action={action}&body={body}");
    let path = format!("/console/-/leads/{id}/copy");
    let bad = html(
        &post(
            &rig,
            &path,
            &copy("%7B%22email%22%3A%22still-bad%22%7D", "preview"),
        )
        .await,
    );
    assert!(
        bad.contains("Rejected") && !bad.contains("value=\"send\""),
        "{bad}"
    );
    assert_eq!(post(&rig, &path, &copy("%7Bno", "preview")).await.status, 400);
    // With the lines as a browser sends those of a text area.
    let good = "%7B%0D%0A%22email%22%3A%22ada%40example.com%22%2C%22firstName%22%3A%22Ada%22%2C%22submissionId%22%3A%221%22%7D";
    let preview = html(&post(&rig, &path, &copy(good, "preview")).await);
    assert!(
        preview.contains("Accepted") && preview.contains("value=\"send\"") && !preview.contains("u{d}"),
        "{preview}"
    );
    assert!(
        preview.contains("email = ada@example.com") && !preview.contains("refused (401)"),
        "{preview}"
    );
    assert_eq!(rig.hubspot.write_count(), 0);
    // A copy that is refused is no success, and can be corrected
    let refused = html(&post(&rig, &path, &copy("%7B%22email%22%3A%22still-bad%22%7D", "send")).await);
    assert!(
        refused.contains("class=\"note\"") && refused.contains("Rejected") && refused.contains("<textarea"),
        "{refused}"
    );
    assert!(!refused.contains("class=\"fine\""), "{refused}");
    let sent = html(&post(&rig, &path, &copy(good, "send")).await);
    assert!(sent.contains("Accepted"), "{sent}");
    rig.arrived("ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_an_older_lead_does_not_overwrite_what_came_after_it() {
    // Given a lead that could not be delivered, and a newer one of the same person that was,
    let mut rig = Rig::with(broken).await;
    let old = rig.lead("ada").await;
    rig.dead_letter_count("dead", 1).await;
    rig.change_sink(|sink| sink.properties = String::new());
    let times = std::sync::atomic::AtomicU32::new(0);
    rig.until("a newer one arrives", || async {
        // Those that come before the sink is corrected are dead, too.
        let id = times.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let newer =
            json!({"email": "ada@example.com", "firstName": "Newer", "submissionId": format!("newer-{id}")});
        rig.post(&newer).await;
        rig.hubspot.contact("ada@example.com").is_some()
    })
    .await;
    rig.until("it is told", || async {
        rig.dead_letters("dead")
            .await
            .iter()
            .any(|lead| lead["overtaken"] == true)
    })
    .await;
    // when somebody edits a copy of the older one,
    let shown = html(&post(&rig, &format!("/console/-/leads/{old}/payload"), "").await);
    assert!(
        shown.contains("A newer lead of this person was delivered"),
        "{shown}"
    );
    let path = format!("/console/-/leads/{old}/copy");
    let body = "%7B%22email%22%3A%22ada%40example.com%22%2C%22firstName%22%3A%22Older%22%2C%22submissionId%22%3A%22copy%22%7D";
    let copy = |action: &str| format!("webhook=default%2Fweb&action={action}&body={body}");
    // then the preview warns, and what is sent overwrites nothing.
    let preview = html(&post(&rig, &path, &copy("preview")).await);
    assert!(preview.contains("OvertakenByNewer"), "{preview}");
    let sent = html(&post(&rig, &path, &copy("send")).await);
    assert!(sent.contains("OvertakenByNewer"), "{sent}");
    rig.until("the copy has come to its end", || async {
        let dead = rig.dead_letters("dead").await;
        dead.iter().any(|lead| lead["reason"] == "OvertakenByNewer")
    })
    .await;
    let ada = rig.hubspot.contact("ada@example.com").unwrap();
    assert_eq!(ada.get("firstname"), "Newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_paused_and_resumed_and_a_payload_is_tried() {
    let rig = Rig::start().await;
    let sink = "/console/-/sinks/default/hubspot";
    let answer = post(&rig, sink, "action=pause&seconds=900").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some(sink)));
    assert!(html(&get(&rig, "/console").await).contains("default/hubspot is paused"));
    assert!(html(&get(&rig, sink).await).contains("PausedByPerson"));
    assert_eq!(post(&rig, sink, "action=resume").await.status, 303);
    for seconds in ["soon", "-1", "1.5", "99999999999999999999"] {
        let form = format!("action=pause&seconds={seconds}");
        assert_eq!(post(&rig, sink, &form).await.status, 400, "{seconds}");
    }
    assert!(rig.sink_status().await["pausedUntil"].is_null());
    assert!(!html(&get(&rig, sink).await).contains("PausedByPerson"));
    let form = "webhook=default%2Fweb&headers=&query=&body=%7B%22email%22%3A%22zoe%40example.com%22%7D";
    let tried = html(&post(&rig, "/console/-/try", form).await);
    assert!(
        tried.contains("email = zoe@example.com") && tried.contains("refused (401)"),
        "{tried}"
    );
    assert_eq!(rig.hubspot.write_count(), 0);
}

/// Browsers send a form of any page anywhere, and say where it comes from.
#[tokio::test(flavor = "multi_thread")]
async fn only_pages_of_the_console_change_something() {
    let rig = Rig::with(broken).await;
    let id = rig.lead("ada").await;
    rig.dead_letter_count("dead", 1).await;
    let form = format!("set=dead&id={id}+default%2Fhubspot&action=discard&confirm=yes");
    for headers in [
        "",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: https://evil.example\r\nSec-Fetch-Site: same-origin\r\n",
    ] {
        let answer = super::browse(&rig, "POST", "/console/-/act", &form, headers).await;
        assert_eq!(answer.status, 403, "{headers}");
    }
    assert_eq!(rig.dead_letters("dead").await.len(), 1);
    for path in ["/console/-/act", "/console/-/sinks/default/hubspot"] {
        let answer = get(&rig, &format!("{path}?{form}&action=pause")).await;
        assert!(answer.status == 404 || answer.status == 200, "{path}");
    }
    assert_eq!(rig.dead_letters("dead").await.len(), 1);
    assert!(rig.sink_status().await["pausedUntil"].is_null());
}
