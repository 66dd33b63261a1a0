//! What docs/operations.md says to type works: a signed lead, dead letters from outside the cluster, a backup and its restore.

use std::{fs, path::Path, time::Duration};

use leadgate_tests::node::{KEY, Stage, node, program, run};

/// The block of commands that holds these words.
fn commands(words: &str) -> String {
    let (mut blocks, mut indent) = (vec![String::new()], 0);
    for line in include_str!("../../../docs/operations.md").lines() {
        // A fence begins the next part: every second one is a block.
        if line.trim_start().starts_with("```") {
            blocks.push(String::new());
            indent = line.len() - line.trim_start().len();
        } else {
            let part = blocks.last_mut().unwrap();
            part.push_str(line.get(indent..).unwrap_or_default());
            part.push('\n');
        }
    }
    let mut found: Vec<String> = blocks.into_iter().skip(1).step_by(2).collect();
    found.retain(|block| block.contains(words));
    assert_eq!(found.len(), 1, "{words}");
    found.remove(0)
}

/// Runs commands in the stage's namespace, as a person would whose context has it.
fn shell(stage: &Stage, commands: &str) -> String {
    let kubectl = program("kubectl").display().to_string();
    let script = format!(
        "set -eu\nkubectl() {{ {kubectl} --namespace {} \"$@\"; }}\n{commands}",
        stage.namespace
    );
    run("bash", &["-c", &script]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn the_documented_commands_work() {
    let stage = node().await.unwrap().stage("documents").await.unwrap();
    stage.working().await.unwrap();

    let signed = commands("openssl dgst -sha256 -hmac").replace(
        "https://leads.example.com/webhooks/marketing/website",
        &format!("{} -H 'x-forwarded-proto: https'", stage.service().unwrap()),
    );
    let answer = shell(&stage, &signed);
    assert!(
        answer.contains("200 OK") && answer.contains("accepted"),
        "{answer}"
    );
    stage
        .delivered(&["ada@example.com".to_owned()], 20)
        .await
        .unwrap();

    let (status, _) = stage.post(KEY, "no-address").await.unwrap();
    assert_eq!(status, 400);
    let admin = commands("-X POST http://127.0.0.1:9090/api/v1/leads/ID/replay\n");
    let (forward, calls) = admin.split_once(" &\n").unwrap();
    let list = calls.lines().next().unwrap();
    let rejected = list.replace("/api/v1/leads", "/api/v1/leads?set=rejected");
    let without = list.replace("$TOKEN", "of somebody else");
    let answer = shell(
        &stage,
        &format!(
            "{forward} >/dev/null 2>&1 &\nforward=$!\ntrap 'kill $forward' EXIT\nuntil curl -s -o /dev/null http://127.0.0.1:9090/livez; do sleep 0.2; done\n\
             {rejected}\necho\n{without} -s -o /dev/null -w 'status %{{http_code}}'"
        ),
    );
    assert!(
        answer.contains("\"items\":[{") && answer.contains("status 401"),
        "{answer}"
    );
    stage.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn the_documented_backup_is_restored() {
    let stage = node().await.unwrap().stage("backup").await.unwrap();
    stage.working().await.unwrap();
    stage.volume("leadgate-backups").unwrap();
    stage.hubspot.down_for(Duration::from_mins(10));
    let accept = async |name: &str| {
        let email = format!("{name}@example.com");
        let (status, answer) = stage.post(KEY, &email).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        email
    };
    let mut pending = Vec::new();
    for number in 0..20 {
        pending.push(accept(&format!("pending-{number}")).await);
    }

    // The image of this node, and the stage's namespace; all else as it is written.
    let redis = stage.get("statefulset leadgate-redis").unwrap();
    let image = redis["spec"]["template"]["spec"]["containers"][0]["image"]
        .as_str()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["backup", "restore"] {
        let file = format!("examples/clusters/{name}.yaml");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&file)).unwrap();
        let text = text
            .replace("docker.io/valkey/valkey:8.1", image)
            .replace("namespace: marketing", &format!("namespace: {}", stage.namespace));
        fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
    }
    let typed = |words: &str| {
        let text = commands(words).replace("examples/clusters", &folder.path().display().to_string());
        shell(&stage, &text)
    };
    let said = typed("create job leadgate-backup-now");
    assert!(said.contains("wrote leadgate-"), "{said}");

    let late = accept("late").await;
    typed("kubectl scale statefulset leadgate-redis --replicas=0");
    let said = typed("kubectl logs job/leadgate-restore");
    assert!(said.contains("restored /backups/leadgate-"), "{said}");
    typed("kubectl scale statefulset leadgate-redis --replicas=1");
    stage.reachable().await.unwrap();
    stage.hubspot.up();
    stage.delivered(&pending, 90).await.unwrap();
    assert!(stage.hubspot.contact(&late).is_none());
    stage.end().unwrap();
}
