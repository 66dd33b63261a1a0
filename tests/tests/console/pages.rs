//! What each page shows, and the headers that each has.

use super::{Rig, broken, get, html, post};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_shows_the_leads_and_is_small() {
    // Given three leads that reached the CRM
    let rig = Rig::start().await;
    let mut ids = Vec::new();
    for name in ["ada", "bea", "cleo"] {
        ids.push(rig.lead(name).await);
        rig.arrived(name).await;
    }
    // When somebody opens the admin address
    let answer = get(&rig, "/").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/console"))
    );
    // Then the page tells of each, with its figures, and of no person
    rig.until("the page tells of them", || async {
        let page = html(&get(&rig, "/console").await);
        let figures = page.contains("accepted 3") && page.contains("delivered 3");
        figures && ids.iter().all(|id| page.contains(id.as_str())) && page.contains("Delivered")
    })
    .await;
    let page = html(&get(&rig, "/console").await);
    assert!(!page.contains("@example.com"), "{page}");
    // The sink's page tells how much of the rate limit that took
    let calls = rig.sink_status().await["calls"].clone();
    let (made, leads) = (
        calls["lastMinute"].as_u64().unwrap(),
        calls["leads"].as_u64().unwrap(),
    );
    assert!(made >= 1 && leads >= 3 && calls["allowed"] == 60_000, "{calls}");
    let sink = html(&get(&rig, "/console/-/sinks/default/hubspot").await);
    assert!(
        sink.contains("Rate limit used") && sink.contains("/ 60000 calls in the last minute"),
        "{sink}"
    );
    let mut bytes = page.len();
    for file in ["style.css", "script.js", "icon.svg"] {
        let answer = get(&rig, &format!("/console/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        bytes += answer.text().len();
        assert!(
            file != "script.js" || answer.text().len() < 5 * 1024,
            "the script is too long"
        );
    }
    assert!(bytes <= 150 * 1024, "{bytes} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_in_both_languages_with_the_strict_headers() {
    let rig = Rig::with(broken).await;
    let id = rig.lead("ada").await;
    rig.dead_letter_count("dead", 1).await;
    let story = format!("/console/-/leads/{id}");
    for (path, status, says) in [
        ("/console", 200, "Dead 1"),
        ("/console/-", 200, "default/web"),
        ("/console/-/webhooks/default/web", 200, "/webhooks/default/web"),
        ("/console/-/sinks/default/hubspot", 200, "UnknownProperty"),
        ("/console/-/leads", 200, id.as_str()),
        ("/console/-/leads?state=Delivered", 200, "Nothing here"),
        (
            "/console/-/leads?webhook=web&outcome=Accepted&state=Dead",
            200,
            id.as_str(),
        ),
        ("/console/-/leads?since=never", 400, "Write the time"),
        ("/console/-/leads?since=2026-11-26", 200, "2026-11-26"),
        ("/console/-/leads?outcome=Bogus", 400, "Choose an outcome"),
        ("/console/-/leads?state=dead", 400, "Choose an outcome"),
        (story.as_str(), 200, "UnknownProperty"),
        ("/console/-/leads/nothing", 404, "no request has this id"),
        ("/console/-/needs/dead", 200, id.as_str()),
        ("/console/-/needs/held", 200, "Nothing waits"),
        ("/console/-/needs/rejected", 200, "Nothing waits"),
        ("/console/-/needs/unrouted", 200, "Nothing waits"),
        ("/console/-/needs/other", 404, "no such page"),
        ("/console/-/try", 200, "default/web"),
        ("/console/-/jobs", 200, "Nothing here"),
        ("/console/-/audit", 200, "Kept for a year"),
        ("/console/-/privacy", 200, "value=\"erase\""),
        ("/console/-/privacy/nothing", 404, "no erasure has this id"),
        ("/console/elsewhere/leads", 404, "no such page"),
        ("/console/-/nothing/at/all", 404, "no such page"),
    ] {
        let answer = get(&rig, path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let page = html(&answer);
        assert!(page.contains(says), "{path}: {says}\n{page}");
        assert!(!page.contains("ada@example.com"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        for inline in ["<style", " style=", " onclick=", "<script>", "http-equiv"] {
            assert!(!page.contains(inline), "{path}: {inline}");
        }
        let german = super::browse(&rig, "GET", path, "", "Accept-Language: de\r\n").await;
        assert!(html(&german).contains("<html lang=\"de\">"), "{path}");
    }
    // Nothing of this changed anything.
    assert_eq!(rig.dead_letters("dead").await.len(), 1);
    let acts = rig.get("/api/v1/audit").await;
    assert_eq!(acts["items"], serde_json::json!([]), "{acts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_a_person_leaves_no_trace_of_who_it_was() {
    let rig = Rig::start().await;
    let id = rig.lead("ada").await;
    rig.arrived("ada").await;
    let answer = post(&rig, "/console/-/leads/search", "email=ada%40example.com").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = html(&answer);
    assert!(
        page.contains(&id) && !page.contains("ada@") && !page.contains("ada%40"),
        "{page}"
    );
    let nobody = html(&post(&rig, "/console/-/leads/search", "email=eve%40example.com").await);
    assert!(!nobody.contains(&id), "{nobody}");
    assert_eq!(post(&rig, "/console/-/leads/search", "email=").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_sink_and_rejected_requests_are_told_on_the_overview() {
    // Given a sink that delivers nothing because it is written so, and a request that is no lead
    let mut rig = Rig::start().await;
    let fine = html(&get(&rig, "/console").await);
    assert!(
        fine.contains("Needs you<b class=\"big\">0</b>") && fine.contains("<span class=\"good\">delivering"),
        "{fine}"
    );
    rig.change_sink(|sink| sink.suspend = true);
    rig.until("it is suspended", || async {
        rig.sink_status().await["suspended"] == true
    })
    .await;
    let answer = rig
        .post(&serde_json::json!({"email": "not-an-address", "submissionId": "1"}))
        .await;
    assert_eq!(answer.status, 400);
    rig.dead_letter_count("rejected", 1).await;
    // Then the overview says both
    let page = html(&get(&rig, "/console").await);
    for said in [
        "default/hubspot: Suspended (spec.suspend)",
        "<span class=\"bad\">suspended</span>",
        "default/web: Rejected 1",
        "needs/rejected?webhook=default/web",
        "Needs you<b class=\"big\">1</b>",
    ] {
        assert!(page.contains(said), "{said}\n{page}");
    }
    assert!(!page.contains("<span class=\"good\">delivering"), "{page}");
}
