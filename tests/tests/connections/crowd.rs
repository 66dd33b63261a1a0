//! The real receiver, with as many file descriptors as systemd and containerd give.

use std::net::SocketAddr;
use std::time::Duration;

use leadgate_receiver::descriptors;
use leadgate_tests::manifests::HubSpotSink;
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::signing;
use leadgate_tests::wire::{exchange, request};
use serde_json::json;
use tokio::net::TcpStream;

const SECRET: &str = "a secret of a form";
const DESCRIPTORS: u64 = 1024;

async fn receiver() -> Receiver {
    let mut sink = HubSpotSink::new("http://127.0.0.1:9", "pat");
    sink.suspend = true;
    let manifests = sink.yaml()
        + &format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: default}}\nstringData: {{hmac: {SECRET}}}\n---
apiVersion: leadgate.dev/v1alpha1
kind: LeadWebhook
metadata: {{name: website, namespace: default}}
spec: {{source: generic, auth: {{hmac: {{secretRefs: [{{name: s, key: hmac}}]}}}}, sinks: [{{name: hubspot}}]}}
"
        );
    let mut options = Options::new(manifests);
    options.wrapper = ["sh", "-c", "ulimit -n 1024 && exec \"$@\"", "sh"]
        .map(Into::into)
        .into();
    Receiver::start(options).await.unwrap()
}

async fn post(receiver: &Receiver, id: usize) -> u16 {
    let body = json!({"email": format!("{id}@example.com"), "submissionId": id}).to_string();
    let (name, value) = &signing::generic(SECRET, body.as_bytes())[0];
    let headers = [(&**name, value.as_str()), ("Content-Type", "application/json")];
    let bytes = request("POST", "/webhooks/default/website", &headers, body.as_bytes());
    exchange(receiver.address(), bytes).await.unwrap().status
}

async fn silent(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(TcpStream::connect(address).await.unwrap());
    }
    all
}

fn open(connections: &[TcpStream]) -> usize {
    let is_open = |stream: &&TcpStream| matches!(stream.try_read(&mut [0; 16]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    connections.iter().filter(is_open).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_silent_connections_keep_no_sender_and_no_probe_out() {
    assert!(
        descriptors::raise().is_none_or(|limit| limit > 2500),
        "this test needs 2,500 file descriptors"
    );
    let receiver = receiver().await;
    assert_eq!(post(&receiver, 0).await, 200);

    // Given more silent connections than there are descriptors, to senders' port and to the admin server's.
    let mut held = silent(receiver.address(), 1000).await;
    held.extend(silent(receiver.admin_address(), 200).await);

    // Then senders and probes are answered while most of them are still held.
    for id in 1..=20 {
        assert_eq!(post(&receiver, id).await, 200);
        assert_eq!(receiver.admin("/livez").await.unwrap().0, 200);
    }
    let before = open(&held);
    assert!(before > 500, "{before} are open");

    // And a wave of 1,000 more changes nothing.
    held.extend(silent(receiver.address(), 1000).await);
    for id in 21..=40 {
        assert_eq!(post(&receiver, id).await, 200);
    }
    assert!(
        receiver
            .metric("leadgate_connections_ended_total", &["crowded"])
            .await
            .unwrap()
            >= 1000.0
    );
    let log = receiver.log();
    assert!(log.contains("connection limit reached"), "{log}");
    assert!(!log.contains("failed to accept connections"), "{log}");
    assert!(
        log.lines()
            .filter(|line| line.contains("connection limit reached"))
            .count()
            < 100,
        "{log}"
    );

    // And those that are left are let go by and by.
    let all_gone = async || open(&held) == 0;
    receiver
        .until("the silent ones are gone", Duration::from_mins(1), all_gone)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_open_files_is_raised_as_far_as_the_hard_one_allows() {
    let receiver = receiver().await;
    let limits = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let own = limits(receiver.pid().unwrap());
    let line = own
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    assert_eq!(
        line.split_whitespace().nth(3),
        Some(DESCRIPTORS.to_string().as_str()),
        "{line}"
    );

    let mut options = Options::new("");
    options.wrapper = ["sh", "-c", "ulimit -S -n 256 && exec \"$@\"", "sh"]
        .map(Into::into)
        .into();
    let receiver = Receiver::start(options).await.unwrap();
    let own = limits(receiver.pid().unwrap());
    let line = own
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let soft: u64 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(soft > 256, "{line}");
}
