//! Erase, export, encrypt: what is held about a person, on the disk of a real receiver.

use std::collections::BTreeSet;
use std::path::Path;

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::HubSpotSink;
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

use super::{found, get, keeping, post, send};

const PEOPLE: usize = 500;

const NAMES: [&str; 8] = ["Zoë", "Иван", "名前", "محمد", "Ωμέγα", "שרה", "ज्ञान", "Nguyễn"];

pub(super) async fn rig(arguments: Vec<String>) -> Rig {
    rig_on(None, arguments).await
}

/// On a queue of one's own; `None`: SQLite in the receiver's folder.
async fn rig_on(queue: Option<String>, arguments: Vec<String>) -> Rig {
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
    let mut options = Options::new(sink.yaml());
    options.arguments = arguments;
    options.queue = queue;
    let region = ("  payload:\n", "  payload:\n    defaultRegion: DE\n");
    options.manifests.push(("web.yaml".into(), keeping(region)));
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

pub(super) fn email(n: usize) -> String {
    format!("person.{n:03}@example.com")
}

fn national(n: usize) -> String {
    format!("030 / 901-{n:03}")
}

pub(super) fn phone(n: usize) -> String {
    format!("+4930901{n:03}")
}

/// The first 150 are delivered, and their payloads kept; the next 150 have a lead that waits; the others were rejected, one of
/// two with their address in a field that nobody maps.
pub(super) async fn everybody(rig: &Rig) {
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
            // As people of the webhook's region write it.
            _ => {
                json!({"email": ["none"], "person": {"mail": email(n), "name": name(n), "tel": national(n)}})
            }
        };
        let answer = rig.post(&body).await;
        assert_eq!(answer.status == 200, n < 300, "{}", answer.text());
    }
}

/// Whom the files of the queue and the receiver's log name: by address, and by name.
fn on_disk(folders: &[&Path]) -> [BTreeSet<usize>; 2] {
    let mut folders: Vec<_> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    let mut bytes = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                // A rewrite may have replaced it.
                bytes.extend(std::fs::read(path).unwrap_or_default());
            }
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

pub(super) async fn ended(rig: &Rig, erasure: &Value) -> Value {
    let path = format!("/privacy/erasures/{}", erasure["id"].as_str().unwrap());
    rig.until("the erasure has ended", || async {
        get(rig, &path).await["state"] != "Running"
    })
    .await;
    get(rig, &path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_nowhere_and_all_others_are() {
    let rig = rig(Vec::new()).await;
    erased_from_all_places(rig, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_in_no_file_of_redis() {
    let redis = tokio::task::spawn_blocking(|| {
        // What is compressed could not be searched for.
        RedisServer::start_with(&[
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--maxmemory-policy",
            "noeviction",
            "--rdbcompression",
            "no",
        ])
    })
    .await
    .unwrap()
    .unwrap();
    let key = redis.directory().join("ledger.key");
    std::fs::write(&key, "of the test, and longer than 16 bytes").unwrap();
    let argument = format!("--ledger-key-file={}", key.display());
    let rig = rig_on(Some(redis.url()), vec![argument]).await;
    erased_from_all_places(rig, Some(redis)).await;
}

async fn erased_from_all_places(mut rig: Rig, redis: Option<RedisServer>) {
    let store = redis.as_ref().map(|redis| redis.directory().to_owned());
    // Given 500 people in several states at once,
    everybody(&rig).await;
    let erased = [3, 77, 149, 150, 222, 299, 300, 301, 442, 499];
    assert_eq!(export(&rig, json!({"email": email(3)})).await, (1, 1));
    assert_eq!(export(&rig, json!({"phone": phone(222)})).await, (1, 1));
    assert_eq!(export(&rig, json!({"email": email(301)})).await, (1, 1));
    let folder = rig.receiver.folder().to_owned();
    let held = || {
        let folders: Vec<&Path> = [Some(&folder), store.as_ref()]
            .into_iter()
            .flatten()
            .map(AsRef::as_ref)
            .collect();
        on_disk(&folders)
    };
    let all: BTreeSet<usize> = (0..PEOPLE).collect();
    assert_eq!(held(), [all.clone(), all.clone()]);

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
    let mut counted = 0;
    for (n, erasure) in erased.into_iter().zip(&erasures) {
        let done = ended(&rig, erasure).await;
        assert_eq!(
            (&done["state"], &done["by"]),
            (&json!("Completed"), &json!("eve")),
            "{done}"
        );
        counted += usize::from(done["leads"][0]["leads"] == json!(1));
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
    // (of the one that was at work when the receiver was killed, the count may not have been written down)
    assert!(counted + 1 >= erased.len(), "{counted} leads were counted");
    let others: BTreeSet<usize> = all.into_iter().filter(|n| !erased.contains(n)).collect();
    // Redis rewrites its file in the background.
    rig.until("the files hold all others and nobody else", || async {
        held() == [others.clone(), others.clone()]
    })
    .await;
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
async fn a_number_is_found_as_people_write_it_and_in_whichever_field_it_stands() {
    // Given a lead with a second number and a second address,
    let rig = rig(Vec::new()).await;
    let custom = "    lead:\n      custom: {mobile: payload.mobile, work: payload.work}\n";
    let region = ("  payload:\n", "  payload:\n    defaultRegion: DE\n");
    let manifest = keeping(region).replacen("    lead:\n", custom, 1);
    rig.receiver.write_manifest("web.yaml", &manifest).unwrap();
    super::reloaded(&rig, 1.0).await;
    let body = json!({"email": "ada@example.com", "phone": "030 901820", "mobile": "0170 1234567",
        "work": "ada@work.example", "firstName": "Ada", "submissionId": "a"});
    assert_eq!(rig.post(&body).await.status, 200);
    let delivered = || async { found(&rig, json!({"state": "Delivered"})).await.len() == 1 };
    rig.until("it is delivered", delivered).await;
    // then it is found by each of them, with or without the country code,
    for filter in [
        json!({"phone": "030 901820"}),
        json!({"phone": "+49 30 901820"}),
        json!({"phone": "0170 1234567"}),
        json!({"email": "ada@work.example"}),
    ] {
        assert_eq!(found(&rig, filter.clone()).await.len(), 1, "{filter}");
    }
    // and so does an erasure, which leaves a record that may be somebody else's.
    let erasure = post(
        &rig,
        "/privacy/erasures",
        json!({"person": {"phone": "0170 1234567"}}),
    )
    .await;
    let erasure = ended(&rig, &erasure).await;
    assert_eq!(erasure["entries"], 1, "{erasure}");
    assert_eq!(
        erasure["records"][0]["reason"], "FoundInAnotherField",
        "{erasure}"
    );
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
    assert_eq!(on_disk(&[rig.receiver.folder()]), [nobody.clone(), nobody]);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_suppressed_person_does_not_come_back_until_that_is_lifted() {
    // Given a person who is erased, and wants never to be contacted again,
    let rig = Rig::start().await;
    rig.lead("ada").await;
    rig.arrived("ada").await;
    let person = json!({"email": "ada@example.com", "phone": "+49 30 901820"});
    let asked = json!({"person": person, "suppress": true});
    let erasure = post(&rig, "/privacy/erasures", asked).await;
    let done = ended(&rig, &erasure).await;
    assert_eq!(
        (&done["state"], &done["suppressed"]),
        (&json!("Completed"), &json!(true))
    );
    assert_eq!(get(&rig, "/privacy/suppressions").await["suppressed"], 2);

    // when leads of theirs come: by address, by number, without a contact, and one that is no lead,
    for body in [
        json!({"email": "Ada@Example.com", "firstName": "Ada", "submissionId": "2"}),
        json!({"phone": "+4930901820", "firstName": "Ada", "submissionId": "3"}),
    ] {
        let answer = rig.post(&body).await;
        assert_eq!(
            (answer.status, &answer.json()["status"]),
            (200, &json!("ignored"))
        );
        assert!(!answer.text().contains("uppress"), "{}", answer.text());
    }
    let rejected = rig
        .post(&json!({"email": ["x"], "note": "mail ada@example.com"}))
        .await;
    assert_eq!(rejected.status, 400);
    assert!(rejected.json()["id"].is_null(), "{}", rejected.text());
    rig.lead("bob").await;
    rig.arrived("bob").await;

    // then nothing of them is held, and they are counted.
    assert_eq!(export(&rig, person.clone()).await, (0, 0));
    let status = rig.get("/status").await;
    assert_eq!(status["webhooks"][0]["leads"]["suppressed"], 2, "{status}");
    let counted = rig
        .receiver
        .metric("leadgate_requests_total", &["outcome=\"suppressed\""])
        .await;
    assert!((counted.unwrap() - 2.0).abs() < 0.5);
    assert_eq!(rig.hubspot.writes().len(), 2);

    // Once it is lifted, they are taken again, and the audit says so.
    let lifted = post(&rig, "/privacy/suppressions/lift", person).await;
    assert_eq!(lifted, json!({"suppressed": 0, "lifted": 2}));
    rig.lead("ada").await;
    let audit = get(&rig, "/audit").await;
    assert_eq!(audit["items"][0]["act"], "SuppressionLifted", "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_deleted_in_the_crm_if_the_sink_says_so() {
    // Given a sink that says so, and people in its CRM,
    let mut rig = Rig::with(|sink| sink.more = "privacy: {crm: Delete}".into()).await;
    for name in ["ada", "bob"] {
        rig.lead(name).await;
        rig.arrived(name).await;
    }
    rig.until("the ledger says so", || async {
        found(&rig, json!({"state": "Delivered"})).await.len() == 2
    })
    .await;
    let record = rig.hubspot.contact("ada@example.com").unwrap().id.to_string();

    // when one is erased while the CRM is down, and the receiver is killed meanwhile,
    rig.hubspot.down_for(std::time::Duration::from_hours(1));
    let asked = json!({"person": {"email": "ada@example.com"}});
    let erasure = post(&rig, "/privacy/erasures", asked.clone()).await;
    let path = format!("/privacy/erasures/{}", erasure["id"].as_str().unwrap());
    rig.until("the record is waited for", || async {
        get(&rig, &path).await["records"][0]["erasure"] == "Pending"
    })
    .await;
    assert_eq!(get(&rig, &path).await["state"], "Running");
    rig.receiver.kill();
    rig.receiver.restart().await.unwrap();
    rig.hubspot.up();

    // then the record is deleted in the end, and only that one.
    let done = ended(&rig, &erasure).await;
    assert_eq!(done["state"], "Completed", "{done}");
    let told = json!([{"sink": "default/hubspot", "record": record, "erasure": "Deleted"}]);
    assert_eq!(done["records"], told, "{done}");
    assert!(rig.hubspot.contact("ada@example.com").is_none());
    assert!(rig.hubspot.contact("bob@example.com").is_some());

    // An address that the CRM does not know is never sent to it, and a person may come back.
    let done = ended(&rig, &post(&rig, "/privacy/erasures", asked).await).await;
    assert_eq!(
        (&done["state"], &done["records"]),
        (&json!("Completed"), &json!([]))
    );
    rig.post(&json!({"email": "ada@example.com", "firstName": "Ada", "submissionId": "new"}))
        .await;
    rig.arrived("ada").await;

    // Without that field, the answer lists the record.
    rig.change_sink(|sink| sink.more = String::new());
    super::reloaded(&rig, 1.0).await;
    let asked = json!({"person": {"email": "bob@example.com"}});
    let done = ended(&rig, &post(&rig, "/privacy/erasures", asked).await).await;
    assert_eq!(
        (&done["records"][0]["erasure"], &done["records"][0]["reason"]),
        (&json!("Skipped"), &json!("NotAskedFor"))
    );
    assert!(rig.hubspot.contact("bob@example.com").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_maps_is_never_stored_unless_that_is_asked_for() {
    // Given a webhook that maps some fields, and leads that wait with more,
    let mut rig = Rig::with(|sink| {
        sink.suspend = true;
        sink.properties = "    email: lead.email\n    jobtitle: payload.role.?title".into();
    })
    .await;
    let lead = |name: &str| {
        json!({"email": format!("{name}@example.com"), "firstName": name, "submissionId": name,
            "diagnosis": "unmapped-secret", "role": {"title": "Countess", "salary": "unmapped-salary"}})
    };
    let stored = async |rig: &Rig, name: &str| {
        let person = json!({"email": format!("{name}@example.com")});
        post(rig, "/privacy/exports", person).await["leads"][0]["data"]["payload"].clone()
    };
    assert_eq!(rig.post(&lead("ada")).await.status, 200);

    // then what neither the webhook nor its sink reads is not stored,
    let kept = json!({"email": "ada@example.com", "firstName": "ada", "submissionId": "ada", "role": {"title": "Countess"}});
    assert_eq!(stored(&rig, "ada").await, kept);
    let holds = |rig: &Rig, what: &str| {
        let mut files = std::fs::read_dir(rig.receiver.folder()).unwrap();
        files.any(|entry| {
            let path = entry.unwrap().path();
            let bytes = if path.is_file() {
                std::fs::read(path).unwrap()
            } else {
                Vec::new()
            };
            bytes.windows(what.len()).any(|part| part == what.as_bytes())
        })
    };
    assert!(holds(&rig, "Countess") && !holds(&rig, "unmapped-"));
    // and a resend is recognised by what was posted.
    assert_eq!(rig.post(&lead("ada")).await.json()["status"], "duplicate");

    // With `keep: Whole`, all of it is.
    let web = leadgate_tests::manifests::mapped_webhook("web", leadgate_tests::rig::SECRET);
    let whole = web.replacen("  payload:\n", "  payload:\n    keep: Whole\n", 1);
    rig.receiver.write_manifest("web.yaml", &whole).unwrap();
    super::reloaded(&rig, 1.0).await;
    assert_eq!(rig.post(&lead("bob")).await.status, 200);
    assert_eq!(stored(&rig, "bob").await, lead("bob"));

    // Both are delivered.
    rig.change_sink(|sink| sink.suspend = false);
    for name in ["ada", "bob"] {
        rig.arrived(name).await;
        let contact = rig.hubspot.contact(&format!("{name}@example.com")).unwrap();
        assert_eq!(
            contact.properties.get("jobtitle").map(String::as_str),
            Some("Countess")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_under_load_without_a_failed_request() {
    // Given a receiver with a key, under load,
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let (first, second) = ("1".repeat(64), "2".repeat(64));
    std::fs::write(&file, &first).unwrap();
    let rig = rig(vec![format!("--encryption-key-file={}", file.display())]).await;

    // when another key comes, the first one goes, so that the second seals at once, and comes back,
    let steps = [
        format!("{first}\n{second}\n"),
        second.clone(),
        format!("{first}\n{second}\n"),
    ];
    let began = std::time::Instant::now();
    let mut steps = steps.iter().zip([5, 12, 19]).peekable();
    let mut sent = 0;
    while began.elapsed().as_secs() < 26 {
        if let Some((keys, _)) = steps.next_if(|(_, at)| began.elapsed().as_secs() >= *at) {
            std::fs::write(&file, keys).unwrap();
        }
        let body = json!({"email": format!("load.{sent}@example.com"), "submissionId": sent.to_string()});
        let answer = rig.post(&body).await;
        // then no request fails,
        assert_eq!(answer.status, 200, "{sent}: {}", answer.text());
        sent += 1;
    }
    assert!(sent > 100, "{sent} leads");

    // and each lead is delivered.
    rig.until("all are delivered", || async {
        rig.sink_status().await["leads"]["delivered"] == sent
    })
    .await;
    let changes = rig.receiver.log().matches("the encryption keys changed").count();
    assert_eq!(changes, 3, "{}", rig.receiver.log_tail(20));
}
