//! What every command keeps to.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use serde_json::json;

use crate::server::{Server, lead};
use crate::{leadgate, run};

#[tokio::test]
async fn results_alone_are_on_stdout_and_the_exit_code_says_how_it_went() {
    let server = Server::start(vec![lead(1, "Dead", "InvalidEmail")]).await;
    let url = server.url.as_str();
    let list = leadgate(url, &["leads", "list", "-o", "json"]).await.ends_with(0);
    assert_eq!(list.json()["items"][0]["id"], "lead-1");
    assert_eq!(list.stderr, "");
    let names = leadgate(url, &["leads", "list", "-o", "name"]).await.ends_with(0);
    assert_eq!(names.stdout, "lead-1\n");
    let yaml = leadgate(url, &["leads", "show", "lead-1", "-o", "yaml"])
        .await
        .ends_with(0);
    let story: serde_json::Value = serde_saphyr::from_str(&yaml.stdout).unwrap();
    assert_eq!(story["sinks"][0]["reason"], "InvalidEmail");
    // 1: it failed, with the receiver's words.
    let failed = leadgate(url, &["leads", "show", "nobody", "-o", "json"])
        .await
        .ends_with(1);
    assert_eq!(
        (failed.stdout.as_str(), failed.stderr.as_str()),
        ("", "error: no lead has this id\n")
    );
    // 2: the arguments are wrong.
    for wrong in [
        &["leads", "discard"][..],
        &["leads", "list", "--set", "x"],
        &["leads", "resolve", "lead-1"],
        &["trace", ""],
        &["leads", "show", ""],
        &["leads", "discard", "", "--yes"],
        &["jobs", "show", ""],
        &["sinks", "resume", "default/"],
        &["nothing"],
    ] {
        let ran = leadgate(url, wrong).await.ends_with(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
    }
    // 3: it worked and found something wrong.
    leadgate(url, &["leads", "replay", "lead-1"]).await.ends_with(3);
}

#[tokio::test]
async fn what_strangers_write_does_nothing_to_a_terminal() {
    let evil = "\u{1b}]0;gone\u{7}\u{202e}live";
    let mut one = lead(1, "Dead", evil);
    one["webhook"] = json!(evil);
    let server = Server::start(vec![one]).await;
    for arguments in [
        &["leads", "list"][..],
        &["leads", "list", "-o", "wide"],
        &["leads", "list", "-o", "json"],
        &["leads", "list", "-o", "yaml"],
        &["leads", "show", "lead-1"],
        &["trace", "lead-1", "-o", "json"],
        &["leads", "show", evil],
    ] {
        let ran = leadgate(&server.url, arguments).await;
        let active = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(
            !ran.stdout.contains(active) && !ran.stderr.contains(active),
            "{ran:?}"
        );
    }
    let json = leadgate(&server.url, &["leads", "list", "-o", "json"])
        .await
        .json();
    assert_eq!(
        json["items"][0]["sinks"][0]["reason"], evil,
        "JSON means the same"
    );
}

#[tokio::test]
async fn a_long_list_is_fetched_page_by_page_up_to_the_limit() {
    let server = Server::start((0..1_203).map(|n| lead(n, "Dead", "")).collect()).await;
    let all = leadgate(&server.url, &["leads", "list", "--limit", "0", "-o", "json"])
        .await
        .ends_with(0);
    assert_eq!(all.json()["items"].as_array().unwrap().len(), 1_203);
    assert_eq!(server.asked().len(), 3);
    let some = leadgate(&server.url, &["leads", "list", "--limit", "7"])
        .await
        .ends_with(0);
    assert_eq!(some.stdout.lines().count(), 8);
    assert!(some.stderr.contains("--limit 0 shows all"), "{some:?}");
    let none = leadgate(&server.url, &["leads", "list", "--set", "held"])
        .await
        .ends_with(0);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "No leads found.\n")
    );
}

#[tokio::test]
async fn what_needs_no_cluster_needs_none() {
    let version = run(&["version", "--client", "-o", "json"]).await.ends_with(0);
    assert_eq!(version.json()["client"], env!("CARGO_PKG_VERSION"));
    for shell in ["bash", "zsh", "fish", "kubectl"] {
        assert!(
            run(&["completion", shell])
                .await
                .ends_with(0)
                .stdout
                .contains("kubectl-leadgate")
        );
    }
    let words = run(&["__complete", "--", "leads", "dis"]).await.ends_with(0);
    assert!(
        words.stdout.starts_with("discard\t") && words.stdout.ends_with(":4\n"),
        "{words:?}"
    );
    // Only Kubernetes could tell.
    let ran = leadgate("http://127.0.0.1:1", &["events"]).await.ends_with(2);
    assert!(ran.stderr.contains("needs a cluster"), "{ran:?}");
    let ran = leadgate("http://127.0.0.1:1", &["leads", "list"])
        .await
        .ends_with(1);
    assert!(
        ran.stderr.contains("http://127.0.0.1:1 does not answer"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn only_success_is_success() {
    for status in [204, 302, 308, 400] {
        let code = StatusCode::from_u16(status).unwrap();
        let router =
            Router::new().fallback(move || async move { (code, [(LOCATION, "https://elsewhere.example/")]) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let ran = leadgate(&url, &["leads", "discard", "lead-1", "--yes"])
            .await
            .ends_with(i32::from(status != 204));
        assert_eq!(ran.stdout.contains("done"), status == 204, "{ran:?}");
        assert_eq!(
            ran.stderr.contains("a redirect"),
            (300..400).contains(&status),
            "{ran:?}"
        );
    }
}

#[tokio::test]
async fn what_is_suspended_is_told_and_every_check_has_a_name() {
    let server = Server::start(Vec::new()).await;
    let check = leadgate(&server.url, &["check"]).await;
    for line in [
        "LeadWebhook default/web   Suspended",
        "CrmSink default/crm       Suspended",
    ] {
        assert!(check.stdout.contains(line), "{check:?}");
    }
    let tree = leadgate(&server.url, &["status"]).await;
    assert_eq!(tree.stdout.matches("Suspended").count(), 2, "{tree:?}");
    let names = leadgate(&server.url, &["check", "-o", "name"]).await;
    assert!(names.stdout.contains("CrmSink default/crm\n"), "{names:?}");
}
