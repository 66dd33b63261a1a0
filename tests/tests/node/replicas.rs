//! Three servers hold the queue: any of them may go, and their number may change, and no acknowledged lead is lost.

use std::{fs, time::Duration};

use anyhow::Context as _;
use leadgate_tests::node::{Load, Stage, eventually, node};

const THREE: &str = "queue: {redis: {replicas: 3}}";
const ONE: &str = "queue: {redis: {replicas: 1}}";

/// A webhook whose queue has this many servers, ready.
async fn queue(name: &str, receiver: &str, servers: i64) -> Stage {
    let stage = node().await.unwrap().stage(name).await.unwrap();
    stage.apply(&stage.receiver(receiver)).unwrap();
    stage.working().await.unwrap();
    in_step(&stage, servers).await;
    stage
}

/// All servers have all leads, and no pod is left over.
async fn in_step(stage: &Stage, servers: i64) {
    eventually("all servers have all leads", 180, || async {
        let set = stage.get("statefulset leadgate-redis")?;
        let counts = ["replicas", "readyReplicas"].map(|field| set["status"][field].as_i64());
        anyhow::ensure!(counts == [Some(servers); 2], "{}", set["status"]);
        Ok(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.explain()));
}

/// The pod whose server is the primary.
fn primary(stage: &Stage) -> anyhow::Result<String> {
    (0..3)
        .map(|n| format!("leadgate-redis-{n}"))
        .find(|pod| redis(stage, pod, "role").is_ok_and(|answer| answer.starts_with("master")))
        .context("no server is the primary")
}

/// What a server says.
fn redis(stage: &Stage, pod: &str, command: &str) -> anyhow::Result<String> {
    let script = format!(
        "read -r _ password </etc/leadgate-redis/redis.conf; \
         REDISCLI_AUTH=$password redis-cli --tls --cacert /etc/leadgate-redis/ca.crt {command}"
    );
    stage.kubectl(&["exec", pod, "-c", "redis", "--", "sh", "-c", &script])
}

/// All receivers wait for so many replicas.
async fn acknowledges(stage: &Stage, replicas: u32) {
    eventually("all receivers wait for replicas", 120, || async {
        let set = stage.get("deployment leadgate-receiver-default")?;
        let (spec, status) = (&set["spec"], &set["status"]);
        let arguments = spec["template"]["spec"]["containers"][0]["args"].to_string();
        anyhow::ensure!(
            arguments.contains(&format!("--queue-acknowledge-replicas={replicas}\""))
                && status["observedGeneration"] == set["metadata"]["generation"]
                && ["replicas", "updatedReplicas", "readyReplicas"]
                    .iter()
                    .all(|count| status[*count] == spec["replicas"]),
            "{arguments} {status}"
        );
        Ok(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.explain()));
}

/// Senders go on while something happens.
async fn goes_on(stage: &Stage, load: &Load) {
    let so_far = load.acknowledged();
    eventually("leads are accepted", 120, || async {
        anyhow::ensure!(load.acknowledged() > so_far + 40, "{}", load.acknowledged());
        Ok(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.explain()));
}

/// Nothing that was acknowledged is lost or doubled, and whoever was not told 200 was told to come back.
async fn kept(stage: Stage, load: Load) {
    let ledger = load.stop().await;
    stage.hubspot.up();
    stage.delivered(&ledger.acknowledged, 120).await.unwrap();
    let odd: Vec<_> = ledger
        .failures
        .iter()
        .filter(|failure| !failure.contains(": 503 "))
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    println!(
        "{} leads acknowledged, {} told to try again, none lost",
        ledger.acknowledged.len(),
        ledger.failures.len()
    );
    stage.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn a_primary_that_goes_loses_nothing() {
    let stage = queue("primary", THREE, 3).await;
    // Leads wait in the queue when it goes.
    stage.hubspot.down_for(Duration::from_mins(20));
    let load = stage.load().unwrap();
    goes_on(&stage, &load).await;
    // Its process is killed, and started again in its place.
    let killed = primary(&stage).unwrap();
    let pod = stage.get(&format!("pod {killed}")).unwrap();
    let uid = pod["metadata"]["uid"].as_str().unwrap().replace('-', "_");
    assert!(kill_servers(&uid) > 0, "no process of {killed} was found");
    goes_on(&stage, &load).await;
    in_step(&stage, 3).await;
    // Its pod is deleted without a grace period: SIGKILL for server and sentinel.
    let gone = primary(&stage).unwrap();
    let delete = ["delete", "pod", &gone, "--grace-period=0", "--force"];
    stage.kubectl(&delete).unwrap();
    goes_on(&stage, &load).await;
    in_step(&stage, 3).await;
    // It is told to end, as when its node is drained: another server is the primary before it does.
    let drained = primary(&stage).unwrap();
    stage
        .kubectl(&["delete", "pod", &drained, "--wait=false"])
        .unwrap();
    eventually("another server is the primary", 60, || async {
        let now = primary(&stage)?;
        anyhow::ensure!(now != drained, "{now}");
        Ok(())
    })
    .await
    .unwrap();
    goes_on(&stage, &load).await;
    in_step(&stage, 3).await;
    kept(stage, load).await;
}

/// Kills the servers, not the sentinels, of a pod.
fn kill_servers(uid: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let servers = ids.filter(|id| {
        let of = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        let name = of("cmdline");
        of("cgroup").replace('-', "_").contains(uid)
            && name.starts_with("redis-server")
            && !name.contains("sentinel")
    });
    servers
        .filter(|id| {
            std::process::Command::new("kill")
                .args(["-9", &id.to_string()])
                .status()
                .is_ok_and(|status| status.success())
        })
        .count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn one_server_becomes_three_and_one_again_and_loses_nothing() {
    let stage = queue("resized", ONE, 1).await;
    stage.hubspot.down_for(Duration::from_mins(20));
    let load = stage.load().unwrap();
    goes_on(&stage, &load).await;
    let first = stage.get("pod leadgate-redis-0").unwrap()["metadata"]["uid"].clone();
    stage.apply(&stage.receiver(THREE)).unwrap();
    in_step(&stage, 3).await;
    acknowledges(&stage, 1).await;
    let now = stage.get("pod leadgate-redis-0").unwrap()["metadata"]["uid"].clone();
    assert_eq!(first, now, "growing replaces no server");
    goes_on(&stage, &load).await;
    // Another one is the primary when the number shrinks.
    stage
        .kubectl(&["delete", "pod", "leadgate-redis-0", "--wait=true"])
        .unwrap();
    in_step(&stage, 3).await;
    assert_ne!(primary(&stage).unwrap(), "leadgate-redis-0");
    stage.apply(&stage.receiver(ONE)).unwrap();
    acknowledges(&stage, 0).await;
    in_step(&stage, 1).await;
    assert_eq!(primary(&stage).unwrap(), "leadgate-redis-0");
    goes_on(&stage, &load).await;
    // What the other volumes hold is old by now, and is not believed.
    stage.apply(&stage.receiver(THREE)).unwrap();
    in_step(&stage, 3).await;
    goes_on(&stage, &load).await;
    kept(stage, load).await;
}

/// Waits until all pods have taken another certificate so many times.
async fn certificates_changed(stage: &Stage, times: usize) {
    eventually("all servers have another certificate", 180, || async {
        for n in 0..3 {
            let log = stage.kubectl(&["logs", &format!("leadgate-redis-{n}"), "-c", "sentinel"])?;
            let found = log.matches("the certificate has changed").count();
            anyhow::ensure!(found == times, "leadgate-redis-{n}: {found}");
        }
        Ok(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.explain()));
}

/// Whether server and sentinel of a pod show a certificate of the newest authority, the first in the file.
fn shows_the_newest(stage: &Stage, pod: &str) -> anyhow::Result<()> {
    let script = "while read -r line; do echo \"$line\"; case $line in *END*) break ;; esac; done \
        </etc/leadgate-redis/ca.crt >/data/newest.crt
        read -r _ REDISCLI_AUTH </etc/leadgate-redis/redis.conf; export REDISCLI_AUTH
        for port in 6379 26379; do redis-cli --tls --cacert /data/newest.crt -p $port PING; done
        rm /data/newest.crt";
    let answers = stage.kubectl(&["exec", pod, "-c", "redis", "--", "sh", "-c", script])?;
    anyhow::ensure!(answers == "PONG\nPONG\n", "{pod}: {answers}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn certificate_and_authority_change_under_load_and_no_pod_restarts() {
    let stage = queue("certificates", THREE, 3).await;
    let pods = || {
        stage
            .get("pods -l app.kubernetes.io/part-of=leadgate")
            .map(|list| {
                let pods = list["items"].as_array().into_iter().flatten();
                pods.map(|pod| {
                    format!(
                        "{} {}",
                        pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]
                    )
                })
                .collect::<Vec<_>>()
            })
    };
    let before = pods().unwrap();
    let load = stage.load().unwrap();
    goes_on(&stage, &load).await;
    let lose = |keys: &str| {
        let patch = format!(r#"{{"data": {{{keys}}}}}"#);
        stage
            .kubectl(&["patch", "secret", "leadgate-redis", "--type=merge", "-p", &patch])
            .unwrap();
    };
    // As a renewal: the authority stays.
    lose(r#""tls.crt": null"#);
    certificates_changed(&stage, 1).await;
    goes_on(&stage, &load).await;
    lose(r#""ca.crt": null, "ca.key": null, "tls.crt": null, "tls.key": null"#);
    certificates_changed(&stage, 2).await;
    for n in 0..3 {
        shows_the_newest(&stage, &format!("leadgate-redis-{n}")).unwrap();
    }
    goes_on(&stage, &load).await;
    assert_eq!(load.failures(), 0, "no lead is refused");
    assert_eq!(pods().unwrap(), before);
    // Connections that are made anew believe it, too.
    let drained = primary(&stage).unwrap();
    stage
        .kubectl(&["delete", "pod", &drained, "--wait=true"])
        .unwrap();
    goes_on(&stage, &load).await;
    in_step(&stage, 3).await;
    kept(stage, load).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn all_servers_that_stop_at_once_lose_nothing() {
    let stage = queue("outage", THREE, 3).await;
    stage.hubspot.down_for(Duration::from_mins(20));
    let load = stage.load().unwrap();
    goes_on(&stage, &load).await;
    let selector = "app.kubernetes.io/name=leadgate-redis";
    stage
        .kubectl(&["delete", "pods", "-l", selector, "--grace-period=0", "--force"])
        .unwrap();
    goes_on(&stage, &load).await;
    in_step(&stage, 3).await;
    // Other pods, one at a time: each hands over before it ends.
    let failed = load.failures();
    stage
        .apply(&stage.receiver("queue: {redis: {replicas: 3}, resources: {requests: {cpu: 20m}}}"))
        .unwrap();
    eventually("all servers are replaced", 300, || async {
        let set = stage.get("statefulset leadgate-redis")?;
        let status = &set["status"];
        anyhow::ensure!(
            status["currentRevision"] == status["updateRevision"]
                && status["observedGeneration"] == set["metadata"]["generation"]
                && set["metadata"]["generation"].as_i64() > Some(1),
            "{status}"
        );
        Ok(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.explain()));
    println!(
        "{} told to try again while all servers were replaced",
        load.failures() - failed
    );
    kept(stage, load).await;
}
