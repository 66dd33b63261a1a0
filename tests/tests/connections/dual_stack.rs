//! IPv6: one socket for both kinds of addresses, CRMs at IPv6 addresses, and IPv4 peers that stay IPv4 peers.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::signing;
use leadgate_tests::wire::{exchange, request};
use serde_json::json;

const SECRET: &str = "dual-stack-s3cret";

async fn post(to: SocketAddr, name: &str, more: &[(&str, &str)]) -> u16 {
    let body = json!({"email": format!("{name}@example.com"), "submissionId": name}).to_string();
    let signature = signing::generic(SECRET, body.as_bytes())[0].1.clone();
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("X-Forwarded-Proto", "https"),
        ("X-Webhook-Signature", signature.as_str()),
    ];
    headers.extend_from_slice(more);
    let bytes = request("POST", "/webhooks/default/web", &headers, body.as_bytes());
    exchange(to, bytes).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn one_socket_serves_both_kinds_of_addresses() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let hubspot = HubSpot::start(Config {
        listen: (Ipv6Addr::LOCALHOST, 0).into(),
        ..Config::default()
    })
    .await
    .unwrap();
    assert!(hubspot.base_url().starts_with("http://[::1]:"));
    let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token()).yaml();
    let webhook =
        mapped_webhook("web", SECRET).replace("  auth: {", "  auth: {allowedCidrs: [127.0.0.0/8], ");
    assert!(webhook.contains("allowedCidrs"));
    let mut options = Options::new(format!("{sink}---\n{webhook}"));
    options.everywhere = true;
    options.arguments = vec!["--behind-tls-proxy".into(), "--allow-local-addresses".into()];
    let receiver = Receiver::start(options).await.unwrap();
    let (v4, port) = (receiver.address(), receiver.address().port());
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    // The socket tells an IPv4 peer's address as IPv6; it is in the range nevertheless.
    assert_eq!(post(v4, "four", &[]).await, 200);
    assert_eq!(post(v6, "six", &[]).await, 403);
    let patience = Duration::from_mins(1);
    let there = async || hubspot.contact("four@example.com").is_some();
    receiver.until("the lead is in the CRM", patience, there).await;
    // Both are this machine.
    let admin = receiver.admin_address();
    for address in [admin, SocketAddr::from((Ipv6Addr::LOCALHOST, admin.port()))] {
        let head = format!("GET /status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        assert_eq!(exchange(address, head).await.unwrap().status, 200, "{address}");
    }
}
