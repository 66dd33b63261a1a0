//! What is stored has the bytes that its version says: a newer receiver reads what an older one wrote, or refuses it.
//!
//! `data/formats` has what a store of the version in its first line holds after a scenario. When that changes, an older
//! receiver may misread it, and a newer one what older ones wrote: raise `SCHEMA_VERSION` (queue/sqlite/database.rs) or `FORMAT`
//! (queue/redis/keeper.rs), and run this test with `UPDATE=1`. Only what older receivers write and read as well may be added
//! without that, such as a table or key that they do not know, or other words of a message: then remove the file first.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::rig::{Rig, SECRET};
use leadgate_tests::wire::exchange;
use redis::Value as Stored;
use rusqlite::types::ValueRef;
use serde_json::json;

/// A lead that waits, one that goes nowhere, a resend, a rejected request, a paused sink, and a suppressed person.
async fn scenario(queue: Option<String>, folder: &Path) -> Receiver {
    let key = folder.join("ledger.key");
    std::fs::write(&key, "of the formats, and longer than 16 bytes").unwrap();
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let mut sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
    sink.suspend = true;
    let mut options = Options::new(sink.yaml());
    let routed = "  sinks: [{name: hubspot, when: 'lead.email != \"nobody@example.com\"'}]\n";
    let webhook = mapped_webhook("web", SECRET).replacen("  sinks: [{name: hubspot}]\n", routed, 1);
    options.manifests.push(("web.yaml".into(), webhook));
    options.queue = queue;
    options.arguments = vec![format!("--ledger-key-file={}", key.display())];
    let receiver = Receiver::start(options).await.unwrap();
    let mut rig = Rig {
        hubspot,
        receiver,
        sink,
    };
    let of = |person: &str| json!({"email": format!("{person}@example.com"), "firstName": "Zoë", "submissionId": person});
    rig.until("the CRM was asked", || async {
        !rig.sink_status().await["preflight"].is_null()
    })
    .await;
    for (person, status) in [("ada", "accepted"), ("ada", "duplicate"), ("nobody", "accepted")] {
        assert_eq!(rig.post(&of(person)).await.json()["status"], status);
    }
    assert_eq!(rig.post(&json!({"email": "none"})).await.status, 400);
    let asked = json!({"person": {"email": "eve@example.com"}, "suppress": true});
    let body = asked.to_string();
    let asked = format!(
        "POST /api/v1/privacy/erasures HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \
         {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(rig.receiver.admin_address(), asked).await.unwrap();
    assert!(answer.status < 300, "{}", answer.text());
    let erasure = format!(
        "/api/v1/privacy/erasures/{}",
        answer.json()["id"].as_str().unwrap()
    );
    rig.until("the erasure has ended", || async {
        rig.get(&erasure).await["state"] == "Completed"
    })
    .await;
    rig.until("the person is suppressed", || async {
        rig.post(&of("eve")).await.json()["status"] == "ignored"
    })
    .await;
    rig.receiver
        .terminate(std::time::Duration::from_mins(1))
        .await
        .unwrap();
    rig.receiver
}

/// Without what differs each time: times and ids.
fn masked(text: &str) -> String {
    let (mut masked, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let begins =
            |length: usize, is: fn(char) -> bool| rest.get(..length).filter(|part| part.chars().all(is));
        let after_digit = masked.ends_with(|c: char| c.is_ascii_digit());
        let id =
            begins(26, |c| c.is_ascii_digit() || c.is_ascii_uppercase()).filter(|id| id.starts_with("01"));
        let time = begins(13, |c| c.is_ascii_digit()).filter(|time| time.starts_with('1') && !after_digit);
        let written =
            begins(11, |c| c.is_ascii_digit() || c == '-' || c == 'T').filter(|day| day.ends_with('T'));
        let written = written.and_then(|_| rest.find('Z'));
        let (shown, length) = match (id, time, written) {
            (Some(_), ..) => ("ID".to_owned(), 26),
            (_, Some(_), _) => ("TIME".to_owned(), 13),
            (.., Some(end)) => ("TIME".to_owned(), end + 1),
            _ => (first.to_string(), first.len_utf8()),
        };
        masked.push_str(&shown);
        rest = &rest[length..];
        // Of a stream, which of the same millisecond.
        if let Some(number) = rest.strip_prefix('-').filter(|_| shown == "TIME") {
            rest = number.trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    masked
}

fn tables(file: &Path) -> String {
    let sql = rusqlite::Connection::open(file).unwrap();
    let version: i64 = sql
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    let mut text = format!("{version}\n");
    let mut statement = sql
        .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name")
        .unwrap();
    let objects = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    for (name, definition) in objects.map(Result::<(String, String), _>::unwrap) {
        let words: Vec<&str> = definition
            .lines()
            .map(|line| line.split("--").next().unwrap())
            .flat_map(str::split_whitespace)
            .collect();
        writeln!(text, "{}", words.join(" ")).unwrap();
        if !definition.starts_with("CREATE TABLE") {
            continue;
        }
        let mut rows = Vec::new();
        let mut all = sql.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = all.column_count();
        let mut found = all.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values = (0..columns).map(|column| match row.get_ref(column).unwrap() {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.escape_ascii().to_string(),
            });
            // What a job is, is not the queue's business.
            let values: Vec<String> = values.take(if name == "job" { 1 } else { columns }).collect();
            rows.push(masked(&values.join(" | ")));
        }
        rows.sort();
        for row in rows {
            writeln!(text, "    {row}").unwrap();
        }
    }
    text
}

fn keys(redis: &RedisServer) -> String {
    let mut connection = redis.connection().unwrap();
    let mut ask = |words: &[&[u8]]| -> Stored {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query(&mut connection).unwrap()
    };
    let bytes = |value: Stored| -> Vec<Vec<u8>> {
        fn flat(value: Stored, found: &mut Vec<Vec<u8>>) {
            match value {
                Stored::BulkString(bytes) => found.push(bytes),
                Stored::SimpleString(text) => found.push(text.into_bytes()),
                Stored::Int(number) => found.push(number.to_string().into_bytes()),
                Stored::Double(number) => found.push(number.to_string().into_bytes()),
                Stored::Array(all) | Stored::Set(all) => all.into_iter().for_each(|one| flat(one, found)),
                Stored::Map(all) => all.into_iter().for_each(|(key, value)| {
                    flat(key, found);
                    flat(value, found);
                }),
                _ => {}
            }
        }
        let mut found = Vec::new();
        flat(value, &mut found);
        found
    };
    let mut entries = Vec::new();
    let mut version = String::new();
    for key in bytes(ask(&[b"KEYS", b"*"])) {
        let kind = String::from_utf8(bytes(ask(&[b"TYPE", &key])).remove(0)).unwrap();
        let (pairs, value) = match kind.as_str() {
            "string" => (false, ask(&[b"GET", &key])),
            "list" => (false, ask(&[b"LRANGE", &key, b"0", b"-1"])),
            "set" => (false, ask(&[b"SMEMBERS", &key])),
            "hash" => (true, ask(&[b"HGETALL", &key])),
            "zset" => (true, ask(&[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"])),
            "stream" => (false, ask(&[b"XRANGE", &key, b"-", b"+"])),
            other => panic!("{other}"),
        };
        let values: Vec<String> = bytes(value)
            .iter()
            .map(|value| value.escape_ascii().to_string())
            .collect();
        let name = key.escape_ascii().to_string();
        if name.ends_with(":format") {
            version.clone_from(&values[0]);
        }
        let mut values: Vec<String> = if pairs {
            // What a job is, is not the queue's business.
            let shown = if name.ends_with(":jobs") { 1 } else { 2 };
            values.chunks(2).map(|pair| pair[..shown].join(" | ")).collect()
        } else {
            values
        };
        for value in &mut values {
            *value = masked(value);
        }
        if kind != "list" {
            values.sort();
        }
        entries.push(format!(
            "{kind} {}\n    {}\n",
            masked(&name),
            values.join("\n    ")
        ));
    }
    entries.sort();
    format!("{version}\n{}", entries.concat())
}

fn compare(name: &str, now: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("data/formats")
        .join(name);
    let version = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    if known == now {
        return;
    }
    // Also where there is no file yet.
    let is_raised = version(&known) != version(now);
    assert!(
        is_raised && std::env::var_os("UPDATE").is_some(),
        "what is stored has changed ({}); version {} was {}.\nRaise the version, and run this test with UPDATE=1.\nwas:\n{known}\nis:\n{now}",
        file.display(),
        version(now),
        version(&known)
    );
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, now).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_is_written_as_its_schema_version_says() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = scenario(None, folder.path()).await;
    compare("sqlite.txt", &tables(&receiver.folder().join("leadgate.db")));
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_written_as_its_format_says() {
    let redis = tokio::task::spawn_blocking(RedisServer::start)
        .await
        .unwrap()
        .unwrap();
    scenario(Some(redis.url()), redis.directory()).await;
    compare("redis.txt", &keys(&redis));
}
