//! What docs/operations.md says to type works: a signed lead, and dead letters from outside the cluster.

use leadgate_tests::node::{KEY, Stage, node, program, run};

/// The block of commands that holds these words.
fn commands(words: &str) -> String {
    let mut blocks = vec![String::new()];
    for line in include_str!("../../../docs/operations.md").lines() {
        // A fence begins the next part: every second one is a block.
        if line.starts_with("```") {
            blocks.push(String::new());
        } else {
            let part = blocks.last_mut().unwrap();
            part.push_str(line);
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
    let admin = commands("-X POST http://127.0.0.1:9090/deadletters/ID/replay\n");
    let (forward, calls) = admin.split_once(" &\n").unwrap();
    let list = calls.lines().next().unwrap();
    let rejected = list.replace("/deadletters", "/deadletters?set=rejected");
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
