//! `processing`: the record of processing activities of the examples is the one that is written down.

use std::path::Path;

use crate::run;

#[tokio::test]
async fn the_record_of_the_examples_is_as_it_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["kubernetes", "kubernetes/platform", "quickstart", "crms"];
    let folders = folders.map(|name| root.join("examples").join(name).display().to_string());
    let mut arguments = vec!["processing"];
    for folder in &folders {
        arguments.extend(["--manifests", folder]);
    }
    let ran = run(&arguments).await.ends_with(0);
    assert_eq!(ran.stderr, "");
    let golden = root.join("tests/data/processing.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&golden, &ran.stdout).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    assert!(
        ran.stdout == expected,
        "tests/data/processing.md is out of step (UPDATE=1 writes it):\n{}",
        ran.stdout
    );
}

#[tokio::test]
async fn what_cannot_be_recorded_is_said() {
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().display().to_string();
    let ran = run(&["processing", "--manifests", &folder]).await.ends_with(3);
    assert!(ran.stderr.contains("no LeadWebhook"), "{ran:?}");
    std::fs::write(
        empty.path().join("a.yaml"),
        "apiVersion: leadgate.dev/v1alpha1\nkind: LeadWebhook\nmetadata: {name: a}\nspec: {auth: 1}\n",
    )
    .unwrap();
    let ran = run(&["processing", "--manifests", &folder]).await.ends_with(1);
    assert!(ran.stderr.contains("a.yaml"), "{ran:?}");
    run(&["processing", "--manifests", &folder, "-o", "json"])
        .await
        .ends_with(2);
}
