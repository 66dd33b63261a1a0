//! How sentinels are reached, and what is said when they are not.

use std::time::Duration;

use leadgate_receiver::queue::*;
use leadgate_tests::failover::lead;
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::sentinel::{NAME, Sentinel, Setup};

use crate::replicas::{group, queue_with};

fn secured() -> Sentinel {
    group(Setup {
        replicas: 1,
        password: Some("d4ta-s3cret"),
        sentinel_password: Some("sent1nel-s3cret"),
        ..Setup::default()
    })
}

/// Why a queue of this URL takes nothing.
async fn refusal(url: &str) -> String {
    let options = OpenOptions {
        accept_timeout: Duration::from_secs(1),
        ..OpenOptions::default()
    };
    let queue = open(url, options).await.unwrap();
    let error = queue.accept(vec![lead("ann", 0)]).await.unwrap_err();
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_and_servers_have_their_own_passwords() {
    let group = secured();
    let queue = queue_with(&group, OpenOptions::default()).await;
    assert_eq!(
        queue.accept(vec![lead("ann", 0)]).await.unwrap(),
        [Admission::Accepted]
    );
    let known = group.url();
    for (url, told) in [
        (known.replace("sent1nel-s3cret", "wr0ng"), "sentinelPassword"),
        (
            known.replace("?sentinelPassword=sent1nel-s3cret", ""),
            "sentinelPassword",
        ),
        (
            known.replace("d4ta-s3cret", "wr0ng"),
            "Redis refused the user name or password",
        ),
        (
            known.replace(":d4ta-s3cret@", ""),
            "Redis refused the user name or password",
        ),
        (known.replace(&format!("/{NAME}"), "/other"), "correct the name"),
    ] {
        let error = refusal(&url).await;
        assert!(error.contains(told), "{told}: {error}");
        assert!(!error.contains("s3cret") && !error.contains("wr0ng"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_kind_is_told_with_the_remedy() {
    let group = group(Setup::default());
    let primary = group.primary().unwrap();
    let replica = &group.servers[(primary + 1) % group.servers.len()];
    let cluster = RedisServer::start_with(&["--cluster-enabled", "yes"]).unwrap();
    let host = |server: &RedisServer| format!("127.0.0.1:{}", server.port());
    let nobody = RedisServer::start().unwrap();
    let unused = host(&nobody);
    drop(nobody);
    for (url, told) in [
        (replica.url(), "this Redis is a replica"),
        (cluster.url(), "the Redis Cluster is down"),
        (group.sentinels[0].url(), "redis+sentinel://HOST:PORT"),
        (
            format!("redis+sentinel://{}/{NAME}", host(replica)),
            "name the sentinels (port 26379)",
        ),
        (format!("redis+sentinel://{unused}/{NAME}"), "refuses connections"),
    ] {
        let error = refusal(&url).await;
        assert!(error.contains(told), "{told}: {error}");
    }
    // One sentinel that answers is enough, whatever the others are.
    let url = format!(
        "redis+sentinel://{unused},{},{}/{NAME}",
        host(replica),
        host(&group.sentinels[2])
    );
    let queue = open(&url, OpenOptions::default()).await.unwrap();
    assert_eq!(
        queue.accept(vec![lead("ann", 0)]).await.unwrap(),
        [Admission::Accepted]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_that_watch_different_servers_disagree() {
    let (one, other) = (group(Setup::default()), group(Setup::default()));
    let port = |group: &Sentinel| group.sentinels[0].port();
    let url = format!(
        "redis+sentinel://127.0.0.1:{},127.0.0.1:{}/{NAME}",
        port(&one),
        port(&other)
    );
    let error = refusal(&url).await;
    assert!(error.contains("disagree"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_renewed_without_a_refused_lead() {
    let group = secured();
    let queue = queue_with(&group, OpenOptions::default()).await;
    assert!(queue.accept(vec![lead("ann", 0)]).await.is_ok());
    // The servers take another password from now on; connections that stand are left alone.
    for server in &group.servers {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("requirepass").arg("n3w");
        set.exec(&mut server.connection().unwrap()).unwrap();
    }
    let access = |url: String| Access {
        url,
        authorities: None,
    };
    let renewed = group.url().replace("d4ta-s3cret", "n3w");
    queue.renew_access(&access(renewed.clone())).unwrap();
    for number in 0..50 {
        assert!(queue.accept(vec![lead("ann", number)]).await.is_ok());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for other in [
        renewed.replace(&format!("/{NAME}"), "/other"),
        group.servers[0].url(),
        format!("redis+sentinel://127.0.0.1:{}/{NAME}", group.sentinels[0].port()),
    ] {
        assert!(
            matches!(queue.renew_access(&access(other)), Err(OpenError::OtherStore)),
            "another store"
        );
    }
}
