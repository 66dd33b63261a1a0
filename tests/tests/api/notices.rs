//! People are told when leads need someone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use leadgate_tests::manifests::mapped_webhook;
use leadgate_tests::rig::{PATIENCE, Rig, SECRET};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::reloaded;

/// A service that is posted to: what it got, and whether it takes anything.
#[derive(Clone, Default)]
struct Chat {
    got: Arc<Mutex<Vec<Value>>>,
    refuses: Arc<Mutex<bool>>,
}

impl Chat {
    async fn start(&self) -> String {
        let chat = self.clone();
        let hook = post(move |body: Bytes| async move {
            chat.got
                .lock()
                .unwrap()
                .push(serde_json::from_slice(&body).unwrap());
            if *chat.refuses.lock().unwrap() {
                StatusCode::FORBIDDEN
            } else {
                StatusCode::OK
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/hook", hook);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}/hook")
    }

    fn texts(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        got.iter()
            .map(|body| body["text"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// A webhook none of whose leads goes to a sink, and the Secret with the URL.
fn manifest(url: &str) -> String {
    let webhook = mapped_webhook("web", SECRET).replacen(
        "  sinks: [{name: hubspot}]",
        "  notify: {urlSecretRef: {name: chat, key: url}}\n  sinks: [{name: hubspot, when: \"lead.email == 'nobody@example.com'\"}]",
        1,
    );
    format!(
        "{webhook}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: chat, namespace: default}}\nstringData: {{url: \"{url}\"}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_told_once_of_leads_that_need_someone() {
    // Given a webhook that tells a chat of its leads,
    let chat = Chat::default();
    let url = chat.start().await;
    let mut rig = Rig::start().await;
    rig.receiver.write_manifest("web.yaml", &manifest(&url)).unwrap();
    reloaded(&rig, 1.0).await;

    // when a lead comes that no sink takes,
    rig.lead("ada").await;

    // then the chat is told how many there are, and nothing of the person,
    rig.until("the chat is told", || async { !chat.texts().is_empty() })
        .await;
    let text = chat.texts().remove(0);
    assert_eq!(
        text,
        "LeadWebhook default/web needs someone: 1 lead is unrouted. See kubectl leadgate status -n default"
    );
    // and of what comes within the hour it is not told, not by another process either.
    rig.lead("bob").await;
    rig.receiver.kill();
    rig.receiver.restart().await.unwrap();
    // (longer than it takes to look)
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(chat.texts(), [text]);
    let log = rig.receiver.log_tail(500);
    assert!(!log.contains(&url), "the URL is a secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_is_counted_and_said() {
    let chat = Chat::default();
    *chat.refuses.lock().unwrap() = true;
    let url = chat.start().await;
    let rig = Rig::start().await;
    rig.receiver.write_manifest("web.yaml", &manifest(&url)).unwrap();
    reloaded(&rig, 1.0).await;
    rig.lead("ada").await;
    let failed = [r#"object="default/web""#, r#"outcome="failed""#];
    rig.receiver
        .until("the failure is counted", PATIENCE, || async {
            let count = rig.receiver.metric("leadgate_notifications_total", &failed).await;
            count.is_ok_and(|count| count > 0.0)
        })
        .await;
    let log = rig.receiver.log_tail(500);
    assert!(log.contains("it answered 403") && !log.contains(&url), "{log}");
    assert_eq!(json!(chat.texts().len()), 1);
}
