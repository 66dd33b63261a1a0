//! Erase, export, encrypt: what is held about a person, on the disk of a real receiver.

use std::collections::BTreeSet;
use std::path::Path;

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::HubSpotSink;
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

use super::{found, get, keeping, post, send};

const PEOPLE: usize = 500;

const NAMES: [&str; 8] = ["Zoë", "Иван", "名前", "محمد", "Ωμέγα", "שרה", "ज्ञान", "Nguyễn"];

async fn rig(arguments: Vec<String>) -> Rig {
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
    let mut options = Options::new(sink.yaml());
    options.arguments = arguments;
    let line = "      lastName: payload.lastName\n";
    options.manifests.push(("web.yaml".into(), keeping((line, line))));
    let receiver = Receiver::start(options).await.unwrap();
    Rig {
        hubspot,
        receiver,
        sink,
    }
}

fn name(n: usize) -> String {
    format!("{}-{n:03}-x", NAMES[n % NAMES.len()])
}

fn email(n: usize) -> String {
    format!("person.{n:03}@example.com")
}

fn phone(n: usize) -> String {
    format!("+4930901{n:03}")
}

/// The first 150 are delivered, and their payloads kept; the next 150 have a lead that waits; the others were rejected, one of
/// two with their address in a field that nobody maps.
async fn everybody(rig: &Rig) {
    for n in 0..PEOPLE {
        if n == 150 {
            rig.until("the first are delivered", || async {
                found(rig, json!({"state": "Delivered"})).await.len() == 150
            })
            .await;
            post(rig, "/sinks/default/hubspot/pause", json!({})).await;
        }
        let body = match n {
            0..300 => {
                json!({"email": email(n), "phone": phone(n), "firstName": name(n), "submissionId": n.to_string()})
            }
            _ if n % 2 == 0 => {
                json!({"email": "none", "note": format!("{} {}", name(n), email(n)), "tel": phone(n)})
            }
            _ => json!({"email": ["none"], "person": {"mail": email(n), "name": name(n), "tel": phone(n)}}),
        };
        let answer = rig.post(&body).await;
        assert_eq!(answer.status == 200, n < 300, "{}", answer.text());
    }
}

/// Whom the files in the receiver's folder name, the queue's and its log: by address, and by name.
fn on_disk(folder: &Path) -> [BTreeSet<usize>; 2] {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            bytes.extend(std::fs::read(path).unwrap());
        }
    }
    named_in(&bytes)
}

/// In one pass: addresses are `person.NNN@`, names end with `-NNN-x`.
fn named_in(bytes: &[u8]) -> [BTreeSet<usize>; 2] {
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
    let between = |start: &'static [u8], end: &'static [u8]| {
        let length = start.len() + 3 + end.len();
        let fits = move |part: &&[u8]| part.starts_with(start) && part.ends_with(end);
        bytes
            .windows(length)
            .filter(fits)
            .filter_map(|part| number(&part[start.len()..start.len() + 3]))
            .collect()
    };
    [between(b"person.", b"@"), between(b"-", b"-x")]
}

async fn export(rig: &Rig, person: Value) -> (usize, usize) {
    let export = post(rig, "/privacy/exports", person).await;
    let count = |what: &str| export[what].as_array().unwrap().len();
    (count("leads"), count("entries"))
}

async fn ended(rig: &Rig, erasure: &Value) -> Value {
    let path = format!("/privacy/erasures/{}", erasure["id"].as_str().unwrap());
    rig.until("the erasure has ended", || async {
        get(rig, &path).await["state"] != "Running"
    })
    .await;
    get(rig, &path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_nowhere_and_all_others_are() {
    // Given 500 people in several states at once,
    let mut rig = rig(Vec::new()).await;
    everybody(&rig).await;
    let erased = [3, 77, 149, 150, 222, 299, 300, 301, 442, 499];
    assert_eq!(export(&rig, json!({"email": email(3)})).await, (1, 1));
    assert_eq!(export(&rig, json!({"phone": phone(222)})).await, (1, 1));
    assert_eq!(export(&rig, json!({"email": email(301)})).await, (1, 0));
    let before = on_disk(rig.receiver.folder());
    let all: BTreeSet<usize> = (0..PEOPLE).collect();
    assert_eq!(before, [all.clone(), all.clone()]);

    // when some are erased by address or number, with a kill in the middle,
    let mut erasures = Vec::new();
    for n in erased {
        let person = if n % 2 == 0 {
            json!({"person": {"email": email(n).to_uppercase()}})
        } else {
            json!({"person": {"phone": phone(n)}})
        };
        erasures.push(post(&rig, "/privacy/erasures", person).await);
    }
    rig.receiver.kill();
    rig.receiver.restart().await.unwrap();

    // then each erasure ends, and says what it did and where the person still is,
    for (n, erasure) in erased.into_iter().zip(&erasures) {
        let done = ended(&rig, erasure).await;
        assert_eq!(
            (&done["state"], &done["by"], &done["leads"][0]["leads"]),
            (&json!("Completed"), &json!("eve"), &json!(1)),
            "{done}"
        );
        let record = rig
            .hubspot
            .contact(&email(n))
            .map(|contact| contact.id.to_string());
        let told = &done["records"][0]["record"];
        assert_eq!(
            told.as_str().map(str::to_owned),
            record.filter(|_| n < 150),
            "{done}"
        );
        assert!(!done["remains"].as_array().unwrap().is_empty());
        assert_eq!(
            export(&rig, json!({"email": email(n), "phone": phone(n)})).await,
            (0, 0)
        );
    }
    let others: BTreeSet<usize> = all.into_iter().filter(|n| !erased.contains(n)).collect();
    assert_eq!(on_disk(rig.receiver.folder()), [others.clone(), others]);
    assert_eq!(
        named_in(rig.receiver.log().as_bytes()),
        [BTreeSet::new(), BTreeSet::new()]
    );
    for path in ["/metrics", "/status", "/api/v1/privacy/erasures", "/api/v1/jobs"] {
        assert!(!rig.call("GET", path).await.text().contains("person."), "{path}");
    }

    // and a resend of theirs does not come back.
    let again =
        json!({"email": email(222), "phone": phone(222), "firstName": name(222), "submissionId": "222"});
    assert_eq!(rig.post(&again).await.json()["status"], "duplicate");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_needs_a_person() {
    let rig = Rig::start().await;
    for (person, told) in [
        (json!({}), "email"),
        (json!({"email": "nobody"}), "person.email"),
        (json!({"phone": "12"}), "person.phone"),
    ] {
        let asked = json!({"person": person});
        let answer = send(&rig, "POST", "/privacy/erasures", &asked).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains(told), "{}", answer.text());
        assert!(!answer.text().contains("nobody"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_nothing_on_disk_can_be_read_and_no_lead_is_lost_without_it() {
    // Given a receiver with a key, and leads that wait,
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("keys");
    let (first, second) = ("1".repeat(64), "2".repeat(64));
    std::fs::write(&file, format!("{first}\n")).unwrap();
    let mut rig = rig(vec![format!("--encryption-key-file={}", file.display())]).await;
    rig.until("the receiver is ready", || async {
        !rig.sink_status().await.is_null()
    })
    .await;
    post(&rig, "/sinks/default/hubspot/pause", json!({})).await;
    for n in 0..20 {
        let body = json!({"email": email(n), "firstName": name(n), "submissionId": n.to_string()});
        assert_eq!(rig.post(&body).await.status, 200);
    }

    // then their store does not tell of them,
    let nobody = BTreeSet::new();
    assert_eq!(on_disk(rig.receiver.folder()), [nobody.clone(), nobody]);
    assert_eq!(export(&rig, json!({"email": email(7)})).await, (1, 1));

    // and when the key is lost, they wait,
    rig.receiver.kill();
    std::fs::write(&file, format!("{second}\n")).unwrap();
    rig.receiver.restart().await.unwrap();
    rig.call("POST", "/api/v1/sinks/default/hubspot/resume").await;
    rig.until("leads wait for their key", || async {
        let page = get(&rig, "/leads?set=pending&reason=KeyMissing&limit=1000").await;
        page["items"].as_array().unwrap().len() == 20
    })
    .await;
    let erasure = post(
        &rig,
        "/privacy/erasures",
        json!({"person": {"email": "eve@example.com"}}),
    )
    .await;
    let incomplete = ended(&rig, &erasure).await;
    assert_eq!(incomplete["state"], "Incomplete");
    assert!(
        incomplete["missing"][0].as_str().unwrap().starts_with("20 leads"),
        "{incomplete}"
    );

    // until it is back.
    std::fs::write(&file, format!("{first}\n{second}\n")).unwrap();
    rig.until("all are delivered", || async {
        (0..20).all(|n| rig.hubspot.contact(&email(n)).is_some())
    })
    .await;
    rig.until("the ledger says so", || async {
        found(&rig, json!({"state": "Delivered"})).await.len() == 20
    })
    .await;
}
