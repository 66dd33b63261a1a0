//! Leads, jobs, sinks, diff and try.

use std::io::Write as _;

use serde_json::json;

use crate::leadgate;
use crate::server::{Server, lead};

async fn server() -> Server {
    Server::start(vec![lead(1, "Dead", "InvalidEmail"), lead(2, "Held", "")]).await
}

#[tokio::test]
async fn one_lead_is_acted_on_at_once_in_the_name_of_who_asks() {
    let server = server().await;
    let url = server.url.as_str();
    #[rustfmt::skip]
    let table = [
        (&["leads", "replay", "lead-2"][..], "POST /api/v1/leads/lead-2/replay"),
        (&["leads", "replay", "lead-1", "--force", "--sink", "default/crm"], "POST /api/v1/leads/lead-1/replay?sink=default%2Fcrm&force=true"),
        (&["leads", "move", "lead-1", "--to", "other", "--set", "dead"], "POST /api/v1/leads/lead-1/move?to=other&set=dead"),
        (&["leads", "discard", "lead-1", "--yes"], "DELETE /api/v1/leads/lead-1"),
        (&["leads", "resolve", "lead-2", "--record", "101"], "POST /api/v1/leads/lead-2/replay?record=101&set=held"),
        (&["leads", "resolve", "lead-2", "--create"], "POST /api/v1/leads/lead-2/replay?create=true&set=held"),
        (&["sinks", "resume", "crm"], "POST /api/v1/sinks/default/crm/resume"),
        (&["sinks", "pause", "default/crm", "--for", "2h"], "POST /api/v1/sinks/default/crm/pause"),
    ];
    for (arguments, asked) in table {
        leadgate(url, arguments).await.ends_with(0);
        let last = server.last();
        assert_eq!(last.what, asked);
        assert_eq!(last.headers["leadgate-user"], "ada");
    }
    assert_eq!(server.last().body, json!({"seconds": 7200}));
    let choose = leadgate(url, &["leads", "resolve", "lead-2"]).await.ends_with(2);
    assert!(choose.stderr.contains("101, 202"), "{choose:?}");
    assert!(!choose.stderr.contains("ada@"), "{choose:?}");
}

#[tokio::test]
async fn nothing_is_lost_without_a_yes() {
    let server = server().await;
    for arguments in [
        &["leads", "discard", "lead-1"][..],
        &["leads", "discard", "--set", "dead"],
        &["leads", "replay", "--set", "dead"],
    ] {
        let ran = leadgate(&server.url, arguments).await.ends_with(2);
        assert!(ran.stderr.contains("--yes"), "{ran:?}");
    }
    leadgate(&server.url, &["leads", "discard", "lead-1", "--dry-run"])
        .await
        .ends_with(0);
    let counted = leadgate(
        &server.url,
        &["leads", "discard", "--webhook", "web", "--dry-run", "-o", "json"],
    )
    .await
    .ends_with(0);
    assert_eq!(counted.json()["sample"], json!(["lead-1", "lead-2"]));
    for asked in &server.known.lock().unwrap().asked {
        let only_counts = asked.what == "POST /api/v1/jobs" && asked.body["dryRun"] == true;
        assert!(only_counts || asked.what.starts_with("GET "), "{asked:?}");
    }
}

#[tokio::test]
async fn many_leads_are_a_job_that_can_be_followed_and_stopped() {
    let server = server().await;
    let url = server.url.as_str();
    let started = leadgate(
        url,
        &[
            "leads",
            "replay",
            "--reason",
            "InvalidEmail",
            "--since",
            "2026-11-01",
            "--share",
            "50",
            "--yes",
            "-o",
            "json",
        ],
    )
    .await
    .ends_with(0);
    assert_eq!(started.json()["id"], "job-1");
    let last = server.last();
    assert!(last.headers.contains_key("idempotency-key"));
    assert_eq!(
        last.body,
        json!({"action": "Replay", "set": "dead", "share": 50,
        "filter": {"reason": "InvalidEmail", "since": "2026-11-01T00:00:00Z"}})
    );
    let ended = leadgate(url, &["jobs", "watch", "job-1", "-o", "json"])
        .await
        .ends_with(0);
    assert_eq!(
        (ended.json()["state"].clone(), ended.json()["done"].clone()),
        (json!("Completed"), json!(2))
    );
    leadgate(
        url,
        &[
            "leads", "move", "--set", "held", "--to", "other", "--copy", "--yes",
        ],
    )
    .await
    .ends_with(0);
    assert_eq!(server.last().body["action"], "Copy");
    let stopped = leadgate(url, &["jobs", "cancel", "job-2", "-o", "json"])
        .await
        .ends_with(0);
    assert_eq!(stopped.json()["state"], "Cancelled");
    let listed = leadgate(url, &["jobs", "list", "-o", "wide"]).await.ends_with(0);
    assert!(
        listed.stdout.contains("Copy to other") && listed.stdout.contains("ada"),
        "{listed:?}"
    );
}

#[tokio::test]
async fn a_story_is_told_in_order_and_a_payload_only_on_demand() {
    let server = server().await;
    let url = server.url.as_str();
    let person = leadgate(url, &["trace", "ada@example.com"]).await.ends_with(0);
    let (received, dead) = (
        person.stdout.find("Received").unwrap(),
        person.stdout.find("Dead").unwrap(),
    );
    assert!(
        received < dead
            && person
                .stdout
                .contains("attempt 2, status 400, 7 ms, InvalidEmail"),
        "{person:?}"
    );
    assert_eq!(
        server.known.lock().unwrap().asked[0].body["filter"],
        json!({"email": "ada@example.com"})
    );
    assert!(
        server.asked().iter().all(|what| !what.contains("example.com")),
        "an address is in no URL"
    );
    let story = leadgate(url, &["leads", "show", "lead-1"]).await.ends_with(0);
    assert!(!story.stdout.contains("ada@"), "{story:?}");
    let whole = leadgate(url, &["leads", "show", "lead-1", "--payload", "-o", "json"])
        .await
        .ends_with(0);
    assert_eq!(
        whole.json()["kept"]["items"][0]["body"]["email"],
        "ada@example.com"
    );
}

#[tokio::test]
async fn a_diff_names_fields_and_shows_values_only_on_demand() {
    let server = server().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(
        b"{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: web}, spec: {}}",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let counts = leadgate(&server.url, &["diff", "-f", path]).await.ends_with(0);
    let lines: Vec<Vec<&str>> = counts
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines, [["changed", "phone", "2"], ["refused", "NoContact", "1"]]);
    assert!(
        counts.stderr.contains("120 leads compared, 3 would change."),
        "{counts:?}"
    );
    for arguments in [&["diff", "-f", path][..], &["diff", "-f", path, "-o", "json"]] {
        let ran = leadgate(&server.url, arguments).await.ends_with(0);
        assert!(!ran.stdout.contains("+49301"), "{ran:?}");
    }
    let values = leadgate(&server.url, &["diff", "-f", path, "--values", "--set", "dead"])
        .await
        .ends_with(0);
    assert!(values.stdout.contains("+49301"), "{values:?}");
    assert_eq!(server.last().body["set"], "dead");
}

#[tokio::test]
async fn a_trial_says_what_would_become_of_a_payload() {
    let server = server().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"email=ada%40example.com").unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let path = path.as_str();
    let refused = leadgate(&server.url, &["try", "web", path, "-H", "Content-Type: a/b"])
        .await
        .ends_with(3);
    assert_eq!(refused.stdout, "refused with [\"Content-Type: a/b\"]\n");
    file.write_all(b"&x=@").unwrap();
    leadgate(&server.url, &["try", "default/web", path])
        .await
        .ends_with(0);
}

#[tokio::test]
async fn a_report_has_neither_secrets_nor_persons() {
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.zip");
    let arguments = ["report", "-f", path.to_str().unwrap()];
    leadgate(&server.url, &arguments).await.ends_with(0);
    let files = leadgate_tests::zip::read(&path);
    assert!(
        files["receiver/status.yaml"].contains("writeLatency"),
        "{files:?}"
    );
    assert!(
        files["receiver/metrics.txt"].contains("leadgate_leads_total 7"),
        "{files:?}"
    );
    let status: serde_json::Value = serde_saphyr::from_str(&files["receiver/status.yaml"]).unwrap();
    assert_eq!(
        status["sinks"][0]["preflight"]["credentials"]["ok"], true,
        "{status}"
    );
    assert!(files["check.yaml"].contains("Suspended"), "{files:?}");
    assert!(files["missing.txt"].contains("Events"), "{files:?}");
    for (name, text) in &files {
        for secret in crate::server::PERSONAL {
            assert!(!text.contains(secret), "{name} has {secret}:\n{text}");
        }
    }
    let again = leadgate(&server.url, &arguments).await.ends_with(1);
    assert!(
        again.stderr.contains("cannot write"),
        "a file that exists is kept: {again:?}"
    );
}

#[tokio::test]
async fn a_job_says_which_leads_it_is_about_and_a_dry_run_names_them() {
    let server = server().await;
    let url = server.url.as_str();
    let filter = [
        "--email",
        "ada@example.com",
        "--since",
        "2026-11-01",
        "--sink",
        "crm",
    ];
    let start: Vec<&str> = ["leads", "discard", "--set", "dead", "--yes"]
        .into_iter()
        .chain(filter)
        .collect();
    leadgate(url, &start).await.ends_with(0);
    let shown = leadgate(url, &["jobs", "show", "job-1"]).await.ends_with(0);
    for line in [
        "  sink: crm\n",
        "  since: 2026-11-01T00:00:00Z\n",
        "  email: given, and not kept\n",
    ] {
        assert!(shown.stdout.contains(line), "{shown:?}");
    }
    assert!(!shown.stdout.contains("ada@"), "{shown:?}");
    leadgate(url, &["leads", "replay", "--set", "dead", "--yes"])
        .await
        .ends_with(0);
    let all = leadgate(url, &["jobs", "show", "job-2"]).await.ends_with(0);
    assert!(
        all.stdout.contains("filter: none: all leads of the set"),
        "{all:?}"
    );
    let names = leadgate(
        url,
        &["leads", "replay", "--set", "dead", "--dry-run", "-o", "name"],
    )
    .await
    .ends_with(0);
    assert_eq!(names.stdout, "lead-1\nlead-2\n");
}

#[tokio::test]
async fn no_record_is_chosen_for_a_lead_that_is_not_held() {
    let server = server().await;
    let ran = leadgate(&server.url, &["leads", "resolve", "lead-3"])
        .await
        .ends_with(1);
    assert!(
        ran.stderr.contains("lead lead-3 is not held") && ran.stderr.contains("it is dead"),
        "{ran:?}"
    );
}
