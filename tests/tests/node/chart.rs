//! The chart over time: upgraded, removed, installed again.

use std::fs;

use leadgate_tests::node::{chart, eventually, node, run};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn an_upgrade_changes_the_definitions() {
    let stage = node().await.unwrap().stage("upgrade").await.unwrap();
    stage.working().await.unwrap();
    let pods = stage.pods().unwrap();
    // The next version has one field more.
    let next = stage.node.folder().join("next");
    let copied = fs_copy(&chart(), &next);
    assert!(copied > 10, "{copied} files");
    let file = next.join("files/crds/crmsinks.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let place = "            description: A CRM that leads are delivered to.\n            properties:\n";
    assert_eq!(text.matches(place).count(), 1);
    let field = "              nextVersion:\n                type: string\n";
    let changed = text.replace(place, &format!("{place}{field}"));
    fs::write(&file, changed).unwrap();
    let with = stage
        .sink()
        .unwrap()
        .replace("spec:\n", "spec:\n  nextVersion: known\n");
    let refused = stage.apply(&with).unwrap_err().to_string();
    assert!(refused.contains("nextVersion"), "{refused}");
    stage.node.install(&next, &[]).unwrap();
    eventually("the new field is kept", 30, || async {
        stage.apply(&with)?;
        let kept = stage.get("crmsink/hubspot")?["spec"]["nextVersion"].clone();
        anyhow::ensure!(kept == "known", "{kept}");
        Ok(())
    })
    .await
    .unwrap();
    stage.ready().unwrap();
    stage.lead("ada@example.com").await.unwrap();
    // A field that the operator does not know yet rolls nothing.
    assert_eq!(stage.pods().unwrap(), pods);
    stage.node.install(&chart(), &[]).unwrap();
    stage.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by make e2e"]
async fn uninstalling_keeps_data() {
    let stage = node().await.unwrap().stage("uninstall").await.unwrap();
    stage.working().await.unwrap();
    let pods = stage.pods().unwrap();
    let notes = stage.node.uninstall().unwrap();
    assert!(notes.contains("CustomResourceDefinition"), "{notes}");
    let kept = stage
        .kubectl(&["get", "leadwebhooks,crmsinks", "-o", "name"])
        .unwrap();
    assert_eq!(kept.lines().count(), 2, "{kept}");
    // Receivers need no operator.
    stage.lead("ada@example.com").await.unwrap();
    assert_eq!(stage.pods().unwrap(), pods);
    // Installed again, it takes over what is there.
    stage.node.install(&chart(), &[]).unwrap();
    eventually("the status goes on", 60, || async {
        let leads = stage.get("leadwebhook/website")?["status"]["leads"].clone();
        anyhow::ensure!(leads["delivered"] == 1, "{leads}");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(stage.pods().unwrap(), pods);
    let rights = run(
        "kubectl",
        &["get", "clusterrole", "leadgate-operator", "-o", "name"],
    )
    .unwrap();
    assert!(rights.contains("leadgate-operator"));
    stage.end().unwrap();
}

/// Copies a folder; gives the number of files.
fn fs_copy(from: &std::path::Path, to: &std::path::Path) -> usize {
    fs::create_dir_all(to).unwrap();
    let mut files = 0;
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files += fs_copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            files += 1;
        }
    }
    files
}
