//! Commands against the API of the real receiver, which delivers to a simulated HubSpot.

use std::io::Write as _;

use leadgate_tests::manifests::mapped_webhook;
use leadgate_tests::rig::{Rig, SECRET};
use serde_json::{Value, json};

use crate::{Ran, leadgate};

/// The webhook, with payloads kept after delivery, and with this field as last name.
fn keeping(last: &str) -> String {
    mapped_webhook("web", SECRET)
        .replacen("  sinks:", "  retention: {payloads: 24h}\n  sinks:", 1)
        .replacen("payload.lastName", last, 1)
}

async fn ask(rig: &Rig, arguments: &[&str]) -> Ran {
    leadgate(&format!("http://{}", rig.receiver.admin_address()), arguments).await
}

fn file(suffix: &str, text: &str) -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    (file, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_followed_held_back_and_discarded() {
    let rig = Rig::start().await;
    let id = rig.lead("ada").await;
    rig.arrived("ada").await;
    rig.until("the story ends with the delivery", || async {
        let traced = ask(&rig, &["trace", "ada@example.com", "-o", "json"])
            .await
            .ends_with(0)
            .json();
        let last = traced["items"][0]["events"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        last["event"] == "Delivered"
    })
    .await;
    assert_eq!(
        ask(&rig, &["trace", &id, "-o", "name"]).await.ends_with(0).stdout,
        format!("{id}\n")
    );
    let listed = ask(&rig, &["leads", "list", "--sink", "hubspot", "-o", "wide"])
        .await
        .ends_with(0);
    assert!(
        listed.stdout.contains(&id) && !listed.stdout.contains("ada@"),
        "{listed:?}"
    );
    // No payload is kept, so there is nothing in the set of delivered leads.
    let none = ask(&rig, &["leads", "list", "--set", "delivered"])
        .await
        .ends_with(0);
    assert_eq!(none.stdout, "", "{none:?}");
    ask(&rig, &["leads", "show", "nobody"]).await.ends_with(1);

    ask(&rig, &["sinks", "pause", "hubspot", "--for", "1h"])
        .await
        .ends_with(0);
    let bob = rig.lead("bob").await;
    let carl = rig.lead("carl").await;
    let pending = ask(&rig, &["leads", "list", "--set", "pending", "-o", "name"])
        .await
        .ends_with(0);
    let mut ids: Vec<&str> = pending.stdout.lines().collect();
    ids.sort_unstable();
    assert_eq!(ids, [&bob, &carl]);
    let discard = [
        "leads",
        "discard",
        "--set",
        "pending",
        "--email",
        "carl@example.com",
        "-o",
        "json",
    ];
    let dry = ask(&rig, &[&discard[..], &["--dry-run"]].concat())
        .await
        .ends_with(0)
        .json();
    assert_eq!(dry["sample"], json!([carl]));
    let job = ask(&rig, &[&discard[..], &["--yes"]].concat())
        .await
        .ends_with(0)
        .json();
    let job = job["id"].as_str().unwrap();
    let ended = ask(&rig, &["jobs", "watch", job, "-o", "json"])
        .await
        .ends_with(0)
        .json();
    assert_eq!(
        (&ended["state"], &ended["done"], &ended["by"]),
        (&json!("Completed"), &json!(1), &json!("ada")),
        "{ended}"
    );
    assert!(
        ask(&rig, &["jobs", "list"])
            .await
            .ends_with(0)
            .stdout
            .contains(job)
    );
    let gone = ask(&rig, &["trace", &carl]).await.ends_with(0);
    assert!(
        gone.stdout.contains("Discarded") && gone.stdout.contains("by ada"),
        "{gone:?}"
    );
    ask(&rig, &["sinks", "resume", "hubspot"]).await.ends_with(0);
    rig.arrived("bob").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_webhook_is_compared_applied_and_replayed() {
    let rig = Rig::start().await;
    rig.receiver
        .write_manifest("web.yaml", &keeping("payload.firstName"))
        .unwrap();
    rig.until("the webhook is read", || async {
        rig.receiver
            .metric("leadgate_config_reloads_total", &[])
            .await
            .unwrap()
            > 1.0
    })
    .await;
    let wrong =
        json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace", "submissionId": "1"});
    assert_eq!(rig.post(&wrong).await.status, 200);
    rig.arrived("ada").await;
    let corrected = keeping("payload.lastName");
    let (_file, path) = file(".yaml", corrected.split("---").next().unwrap());
    rig.until("the delivery is known", || async {
        ask(&rig, &["leads", "list", "--set", "delivered", "-o", "name"])
            .await
            .stdout
            .lines()
            .count()
            == 1
    })
    .await;
    let counts = ask(&rig, &["diff", "-f", &path]).await.ends_with(0);
    let lines: Vec<Vec<&str>> = counts
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines, [["changed", "lastName", "1"]], "{counts:?}");
    let values = ask(&rig, &["diff", "-f", &path, "--values"]).await.ends_with(0);
    assert!(values.stdout.contains("Lovelace"), "{values:?}");

    let (_file, payload) = file(".json", &wrong.to_string());
    let tried = ask(&rig, &["try", "web", &payload]).await.ends_with(3);
    assert!(
        tried.stdout.contains("refused (401)") && tried.stdout.contains("ada@example.com"),
        "{tried:?}"
    );

    rig.receiver.write_manifest("web.yaml", &corrected).unwrap();
    rig.until("the webhook is read again", || async {
        rig.receiver
            .metric("leadgate_config_reloads_total", &[])
            .await
            .unwrap()
            > 2.0
    })
    .await;
    ask(
        &rig,
        &[
            "leads",
            "replay",
            "--set",
            "delivered",
            "--webhook",
            "web",
            "--share",
            "100",
            "--yes",
        ],
    )
    .await
    .ends_with(0);
    rig.until("the record is repaired", || async {
        let contact = rig.hubspot.contact("ada@example.com").unwrap();
        contact.get("lastname") == "Lovelace"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_once() {
    let rig = Rig::start().await;
    let line = |n: usize, email: &str| {
        json!({"email": email, "firstName": "Old", "submissionId": n.to_string(), "at": "2024-02-03T04:05:06Z"}).to_string()
    };
    let text = format!(
        "{}\n{{broken\n{}\n{}\n",
        line(1, "ada@example.com"),
        line(3, "no address"),
        line(4, "bob@example.com")
    );
    let (_file, path) = file(".jsonl", &text);
    let import = [
        "backfill",
        &path,
        "--webhook",
        "default/web",
        "--time-field",
        "at",
        "-o",
        "json",
    ];
    let counts = |accepted, duplicates| {
        json!({"accepted": accepted, "duplicates": duplicates, "unrouted": 0, "others": 1, "broken": 1,
        "overtaken": 0})
    };
    let ran = ask(&rig, &import).await.ends_with(3);
    assert_eq!(ran.json(), counts(2, 0), "{ran:?}");
    assert!(
        ran.stderr.contains("line 2: ") && ran.stderr.contains("line 3: Rejected"),
        "{ran:?}"
    );
    rig.arrived("ada").await;
    rig.arrived("bob").await;
    let again: Value = ask(&rig, &import).await.ends_with(3).json();
    assert_eq!(again, counts(0, 2));
}
