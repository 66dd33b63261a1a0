//! Files of leads.

use std::io::Write as _;

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::leadgate;
use crate::server::Server;

fn file(extension: &str, text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(extension).tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn broken_lines_are_told_the_rest_is_imported_and_a_second_run_repeats_nothing() {
    let server = Server::start(Vec::new()).await;
    let mut text = String::new();
    for n in 1..=1_203 {
        text += &match n {
            7 => "{broken ada@example.com\n".to_owned(),
            8 => "{\"phone\": \"+49301\", \"at\": \"2026-11-01\"}\n".to_owned(),
            _ => format!("{{\"email\": \"p{n}@example.com\", \"at\": \"2026-11-01T08:00:00Z\"}}\n"),
        };
    }
    let file = file(".jsonl", &text);
    let arguments = [
        "backfill",
        file.path().to_str().unwrap(),
        "--webhook",
        "web",
        "--time-field",
        "at",
        "-o",
        "json",
    ];
    let dry: Vec<&str> = arguments.into_iter().chain(["--dry-run"]).collect();
    let counts = |accepted, duplicates| {
        json!({"accepted": accepted, "duplicates": duplicates, "unrouted": 0, "others": 1, "broken": 1,
        "overtaken": 0})
    };
    for (arguments, expected) in [
        (&dry[..], counts(1_201, 0)),
        (&arguments, counts(1_201, 0)),
        (&arguments, counts(0, 1_201)),
    ] {
        let ran = leadgate(&server.url, arguments).await.ends_with(3);
        assert_eq!(ran.json(), expected);
        assert!(ran.stderr.contains("line 7: it is not JSON"), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("line 8: Rejected: email is missing"),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("ada@"), "{}", ran.stderr);
    }
    let asked = server.known.lock().unwrap().asked.clone();
    let sizes: Vec<usize> = asked
        .iter()
        .map(|asked| asked.body["lines"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [500, 500, 202].repeat(3));
    assert_eq!(asked[0].body["lines"][0]["at"], "2026-11-01T08:00:00Z");
}

#[tokio::test]
async fn a_line_without_end_is_one_line() {
    let server = Server::start(Vec::new()).await;
    let endless = "a".repeat(3 << 20);
    let text = format!("{{\"note\": \"{endless}\"}}\n{{\"email\": \"ada@example.com\"}}\n");
    let file = file(".jsonl", &text);
    let path = file.path().to_str().unwrap();
    let ran = leadgate(&server.url, &["backfill", path, "--webhook", "web"])
        .await
        .ends_with(3);
    assert!(
        ran.stderr.contains("line 1: it is longer than 1 MiB"),
        "{}",
        ran.stderr
    );
    let asked = server.known.lock().unwrap().asked.clone();
    assert_eq!(asked[0].body["lines"][0]["line"], 2);
    assert_eq!(asked[0].body["lines"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_table_is_imported_by_its_header() {
    let server = Server::start(Vec::new()).await;
    let table = file(
        ".csv",
        "email,note,when\na@example.com,\"a, b\",2026-11-01\nb@example.com\n",
    );
    let path = table.path().to_str().unwrap();
    let ran = leadgate(
        &server.url,
        &[
            "backfill",
            path,
            "--webhook",
            "default/web",
            "--time-field",
            "when",
        ],
    )
    .await
    .ends_with(3);
    assert_eq!(
        ran.stdout,
        "1 accepted, 0 known already, 0 unrouted, 0 not accepted, 1 broken lines\n"
    );
    assert!(
        ran.stderr
            .contains("line 3: it has 1 columns and the header has 3; note is missing"),
        "{ran:?}"
    );
    let payload = json!({"email": "a@example.com", "note": "a, b", "when": "2026-11-01"});
    assert_eq!(
        server.last().body["lines"],
        json!([{"line": 2, "payload": payload, "at": "2026-11-01T00:00:00Z"}])
    );
    let before = server.asked().len();
    let ran = leadgate(
        &server.url,
        &["backfill", path, "--webhook", "web", "--time-field", "at"],
    )
    .await
    .ends_with(2);
    assert!(
        ran.stderr
            .contains("the column at (--time-field) is missing; the columns are: email, note, when"),
        "{ran:?}"
    );
    assert_eq!(server.asked().len(), before, "nothing was sent");
}

async fn imports(server: &Server, text: &str) -> crate::Ran {
    let file = file(".jsonl", text);
    let path = file.path().to_str().unwrap().to_owned();
    leadgate(&server.url, &["backfill", &path, "--webhook", "web"]).await
}

#[tokio::test]
async fn a_connection_that_breaks_while_lines_are_sent_is_no_success() {
    // Given a peer that takes the head of a request and hangs up
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 512]).await;
        }
    });
    // When more is sent than a socket holds
    let note = "a".repeat(40_000);
    let text = format!("{{\"email\": \"ada@example.com\", \"note\": \"{note}\"}}\n").repeat(180);
    let file = file(".jsonl", &text);
    let path = file.path().to_str().unwrap();
    let ran = leadgate(&url, &["backfill", path, "--webhook", "web"])
        .await
        .ends_with(1);
    // Then it says so, and how to go on
    assert!(ran.stderr.contains("run the command again"), "{ran:?}");
    assert_eq!(ran.stdout, "");
}

#[tokio::test]
async fn long_lines_go_in_requests_that_the_receiver_takes() {
    let server = Server::start(Vec::new()).await;
    let note = "a".repeat(100_000);
    let text: String = (0..200)
        .map(|n| format!("{{\"email\": \"p{n}@example.com\", \"note\": \"{note}\"}}\n"))
        .collect();
    let ran = imports(&server, &text).await.ends_with(0);
    assert!(ran.stdout.starts_with("200 accepted"), "{ran:?}");
    let asked = server.known.lock().unwrap().asked.clone();
    let sizes: Vec<usize> = asked.iter().map(|asked| asked.body.to_string().len()).collect();
    assert!(
        sizes.len() == 3 && sizes.iter().all(|size| *size < 16 << 20),
        "{sizes:?}"
    );
}

#[tokio::test]
async fn unrouted_leads_are_stored_and_told_once() {
    let server = Server::start(Vec::new()).await;
    let line = "{\"email\": \"ada@example.com\", \"unrouted\": true}\n";
    let ran = imports(&server, &line.repeat(3)).await.ends_with(0);
    assert_eq!(
        ran.stdout,
        "0 accepted, 0 known already, 3 unrouted, 0 not accepted, 0 broken lines\n"
    );
    assert!(
        ran.stderr.lines().count() == 1 && ran.stderr.contains("--set unrouted"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn a_receiver_that_asks_to_wait_is_waited_for_and_another_trouble_is_told_at_once() {
    let server = Server::start(Vec::new()).await;
    let line = "{\"email\": \"ada@example.com\"}\n";
    server.known.lock().unwrap().refuse = (2, true);
    let ran = imports(&server, line).await.ends_with(0);
    assert!(
        ran.stderr.lines().count() == 1 && ran.stderr.contains("asks to wait: many leads wait"),
        "{ran:?}"
    );
    assert_eq!(server.asked().len(), 3);
    server.known.lock().unwrap().refuse = (1, false);
    imports(&server, line).await.ends_with(1);
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_table_that_would_be_altered_or_cut_is_not_imported_silently() {
    let server = Server::start(Vec::new()).await;
    for (text, code, told) in [
        (
            "email,lastName,email\na@example.com,x,b@example.com\n",
            2,
            "the column email is there twice",
        ),
        (
            "email,note\na@example.com,\"unclosed\nb@example.com,x\n",
            3,
            "line 2: a quote",
        ),
        (
            "email,note\na@example.com,\"unclosed\nb@example.com,\"x\n",
            0,
            "line 2: the cell of note holds lines that look like records",
        ),
    ] {
        let table = file(".csv", text);
        let path = table.path().to_str().unwrap();
        let ran = leadgate(&server.url, &["backfill", path, "--webhook", "web"])
            .await
            .ends_with(code);
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    let german = file(".csv", "email;note\na@example.com;x\n");
    let path = german.path().to_str().unwrap();
    leadgate(&server.url, &["backfill", path, "--webhook", "web"])
        .await
        .ends_with(0);
    let payload = json!({"email": "a@example.com", "note": "x"});
    assert_eq!(server.last().body["lines"][0]["payload"], payload);
}
