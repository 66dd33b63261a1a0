//! Authorities of one's own, for CRMs and for Redis, replaced while the receiver runs.

use std::net::{Ipv4Addr, TcpListener};

use leadgate_tests::authority::{Authority, Leaf};
use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::redis_server::RedisServer;
use serde_json::Value;

use super::*;

async fn crm(leaf: &Leaf) -> HubSpot {
    let config = Config {
        tls: Some(leaf.server_config().unwrap()),
        ..Config::default()
    };
    HubSpot::start(config).await.unwrap()
}

async fn problems(receiver: &Receiver) -> String {
    receiver.status().await.unwrap()["problems"].to_string()
}

async fn last_error(receiver: &Receiver) -> Value {
    receiver.status().await.unwrap()["sinks"][0]["lastError"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crms_private_authority_is_trusted_and_may_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old").unwrap(), Authority::new("new").unwrap());
    let hubspot = crm(&new.server("127.0.0.1").unwrap()).await;
    let file = write(folder.path(), "ca.pem", &old.certificate());
    let receiver = Receiver::start(with_file(&hubspot, "--outbound-ca", &file))
        .await
        .unwrap();
    assert!(post(receiver.address(), "first").await);
    let refused = async || {
        let error = last_error(&receiver).await;
        error["reason"] == "Unreachable" && error["message"].as_str().unwrap().contains("--outbound-ca")
    };
    receiver
        .until("its certificate is refused", PATIENCE, refused)
        .await;
    // The former ones beside the new ones, as when an authority is replaced.
    replace(&file, &format!("{}\n{}", old.certificate(), new.certificate()));
    all_arrive(&receiver, &hubspot, &["first".to_owned()]).await;
    for (text, told) in [
        ("", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\n", "not PEM"),
    ] {
        replace(&file, text);
        let told = async || {
            let problems = problems(&receiver).await;
            problems.contains("--outbound-ca") && problems.contains(told)
        };
        receiver
            .until("the file is complained about", PATIENCE, told)
            .await;
    }
    assert!(post(receiver.address(), "second").await);
    all_arrive(&receiver, &hubspot, &["second".to_owned()]).await;
    replace(&file, &new.certificate());
    let quiet = async || problems(&receiver).await == "[]";
    receiver.until("no problem", PATIENCE, quiet).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_an_unusable_bundle_fails_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for (text, told) in [(None, "cannot be read"), (Some("no PEM"), "holds no certificate")] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        for flag in ["--outbound-ca", "--queue-ca"] {
            let mut options = Options::new("");
            options.arguments = vec![flag.into(), file.display().to_string()];
            let error = format!("{:#}", Receiver::start(options).await.err().unwrap());
            assert!(error.contains("exit status: 1"), "{error}");
            assert!(error.contains(flag) && error.contains(told), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_with_a_private_authority_is_trusted_and_may_be_replaced() {
    redis_with_an_authority_in("--outbound-ca").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_have_authorities_of_its_own() {
    redis_with_an_authority_in("--queue-ca").await;
}

async fn redis_with_an_authority_in(flag: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old").unwrap(), Authority::new("new").unwrap());
    let leaf = new.server("127.0.0.1").unwrap();
    let certificate = write(folder.path(), "tls.crt", &leaf.certificate);
    let key = write(folder.path(), "tls.key", &leaf.key);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let _redis = RedisServer::start_with(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--maxmemory-policy",
        "noeviction",
        "--tls-auth-clients",
        "no",
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        certificate.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
    ])
    .unwrap();
    let hubspot = HubSpot::start(Config::default()).await.unwrap();
    let file = write(folder.path(), "ca.pem", &old.certificate());
    let mut options = with_file(&hubspot, flag, &file).queue(format!("rediss://127.0.0.1:{port}"));
    if flag == "--queue-ca" {
        // What is trusted elsewhere does not count.
        let others = write(folder.path(), "others.pem", &new.certificate());
        options
            .arguments
            .extend(["--outbound-ca".into(), others.display().to_string()]);
    }
    let mut receiver = Receiver::prepare(options).unwrap();
    receiver.spawn().unwrap();
    let alive = async || receiver.admin("/livez").await.is_ok();
    receiver.until("it runs", PATIENCE, alive).await;
    let refused = async || {
        let (status, text) = receiver.admin("/readyz").await.unwrap();
        status == 503 && text.contains(flag)
    };
    receiver
        .until("its certificate is refused", PATIENCE, refused)
        .await;
    replace(&file, "no PEM");
    let told = async || {
        let (_, text) = receiver.admin("/status").await.unwrap();
        text.contains(flag) && text.contains("holds no certificate")
    };
    receiver
        .until("the file is complained about", PATIENCE, told)
        .await;
    replace(&file, &new.certificate());
    receiver.ready(PATIENCE).await.unwrap();
    // What is connected stays so.
    replace(&file, &format!("{}\n{}", old.certificate(), new.certificate()));
    let seen = async || receiver.log().matches("the authorities changed").count() == 2;
    receiver.until("the file is read again", PATIENCE, seen).await;
    assert!(post(receiver.address(), "first").await);
    all_arrive(&receiver, &hubspot, &["first".to_owned()]).await;
}
