//! `--check`: every problem at once, before anything runs.

use std::path::Path;
use std::process::Command;

use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::binary;

/// Exit status, standard output, standard error.
fn check(folder: &Path) -> (i32, String, String) {
    let output = Command::new(binary(false).unwrap())
        .args(["--check", "--manifests"])
        .arg(folder)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_good_folder_is_said_to_be_good() {
    let folder = tempfile::tempdir().unwrap();
    let sink = HubSpotSink::new("http://127.0.0.1:9", "t").yaml();
    std::fs::write(folder.path().join("a.yaml"), sink).unwrap();
    std::fs::write(folder.path().join("b.yml"), mapped_webhook("web", "s")).unwrap();
    std::fs::write(folder.path().join("c.yaml"), "# only a comment\n---\n").unwrap();
    std::fs::write(
        folder.path().join("d.yaml"),
        "{apiVersion: apps/v1, kind: Deployment}",
    )
    .unwrap();
    std::fs::write(folder.path().join("notes.txt"), "{").unwrap();
    assert_eq!(
        check(folder.path()),
        (
            0,
            "1 LeadWebhooks and 1 CrmSinks are valid\n".into(),
            String::new()
        )
    );
}

#[test]
fn every_problem_is_printed_with_file_object_field_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("broken.yaml", "a: [");
    write(
        "sink.yaml",
        &HubSpotSink::new("http://crm.example.com", "t").yaml(),
    );
    write(
        "three.yaml",
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: three}, spec: {source: nobody, auth: {hmac: \
         {secretRefs: [{name: gone, key: hmac}]}}, payload: {accept: 'payload.(', lead: {email: '1 +'}}, sinks: [{name: x, \
         when: ')'}]}}",
    );
    std::fs::create_dir(folder.path().join("below")).unwrap();
    write("below/again.yaml", &mapped_webhook("web", "s"));
    write("web.yaml", &mapped_webhook("web", "s"));
    let (status, out, err) = check(folder.path());
    assert_eq!(status, 1);
    for said in [
        "broken.yaml: it is not valid YAML",
        "sink.yaml: CrmSink default/hubspot: spec.hubspot.baseUrl: hubspot.baseUrl must be an https:// URL",
        "three.yaml: LeadWebhook default/three: spec.source: no preset is named `nobody`; known are acuity, ",
        "three.yaml: LeadWebhook default/three: spec.auth.hmac.secretRefs: there is no Secret gone with the key hmac",
        "three.yaml: LeadWebhook default/three: spec.payload.accept: ",
        "three.yaml: LeadWebhook default/three: spec.payload.lead.email: ",
        "three.yaml: LeadWebhook default/three: spec.sinks[0].when: ",
        "web.yaml: LeadWebhook default/web: it is defined twice",
        "below/again.yaml: LeadWebhook default/web: spec.sinks: there is no CrmSink default/hubspot (or it has a problem",
    ] {
        assert!(err.contains(said), "{said}\nis not in\n{err}");
    }
    assert_eq!(out, format!("{} problems\n", err.lines().count()));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (status, _, err) = check(Path::new("/nonexistent/leadgate"));
    assert_eq!(status, 1);
    assert!(err.contains("/nonexistent/leadgate"), "{err}");
}
