//! `--check`: every problem at once, with its line, before anything runs.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::binary;
use serde_json::Value;

/// Exit status and standard output; nothing is printed elsewhere.
fn check_with(folder: &Path, more: &[&str]) -> (i32, String) {
    let output = Command::new(binary(false).unwrap())
        .args(["--check", "--manifests"])
        .arg(folder)
        .args(more)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

fn check(folder: &Path) -> (i32, String) {
    check_with(folder, &[])
}

/// A folder with a sink and a webhook that run, and one more file.
fn beside_good_ones(file: &str, text: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sink = HubSpotSink::new("http://127.0.0.1:9", "token-of-hubspot").yaml();
    std::fs::write(folder.path().join("a.yaml"), sink).unwrap();
    let webhook = mapped_webhook("web", "a-secret-of-sixteen");
    std::fs::write(folder.path().join("b.yml"), webhook).unwrap();
    std::fs::write(folder.path().join(file), text).unwrap();
    folder
}

const GOOD: &str = "1 LeadWebhook and 1 CrmSink are valid\n";

#[test]
fn a_good_folder_is_said_to_be_good() {
    let other = b"# only a comment\n---\n{apiVersion: apps/v1, kind: Deployment}";
    let folder = beside_good_ones("c.yaml", other);
    std::fs::write(folder.path().join("notes.txt"), "{").unwrap();
    assert_eq!(check(folder.path()), (0, GOOD.into()));
}

#[test]
fn a_list_is_read_as_its_items_are() {
    let item = "{apiVersion: leadgate.dev/v1alpha1, kind: CrmSink, metadata: {name: two}, spec: {hubspot: {tokenSecretRef: \
                {name: hubspot-token, key: token}}}}";
    let folder = beside_good_ones(
        "list.yaml",
        format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n").as_bytes(),
    );
    assert_eq!(
        check(folder.path()),
        (0, "1 LeadWebhook and 2 CrmSinks are valid\n".into())
    );
    let folder = beside_good_ones(
        "list.yaml",
        format!("apiVersion: v1\nkind: List\nitems:\n- {item}\n- {item}\n").as_bytes(),
    );
    let (status, out) = check(folder.path());
    assert_eq!(status, 1);
    assert!(
        out.contains("list.yaml:5: CrmSink default/two: it is defined twice"),
        "{out}"
    );
}

#[test]
fn every_problem_is_printed_with_file_line_object_field_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("broken.yaml", "a:\n  b: [");
    write(
        "sink.yaml",
        &HubSpotSink::new("http://crm.example.com", "t").yaml(),
    );
    write(
        "three.yaml",
        "apiVersion: leadgate.dev/v1alpha1
kind: LeadWebhook
metadata: {name: three}
suspend: true
spec:
  source: typefrom
  auth:
    hmac: {secretRefs: [{name: gone, key: hmac}], algorithm: SHA512}
    token: {secretRefs: [{name: gone, key: token}]}
  payload:
    sinks: [{name: hubspot}]
    accept: 'payload.('
    maxBytes: '10'
    lead:
      email: '1 +'
  sinks:
    - name: hubspot
      when: ')'
    - name: hubspott
",
    );
    std::fs::create_dir(folder.path().join("below")).unwrap();
    let twice = mapped_webhook("web", "a-secret-of-sixteen");
    write("below/again.yaml", &twice);
    write("web.yaml", &twice);
    let (status, out) = check(folder.path());
    assert_eq!(status, 1);
    let said = [
        "broken.yaml:2: it is not valid YAML",
        "sink.yaml:",
        "three.yaml:4: LeadWebhook default/three: suspend: unknown field; it belongs under spec",
        "three.yaml:6: LeadWebhook default/three: spec.source: no preset is named typefrom; did you mean typeform?",
        "three.yaml:7: LeadWebhook default/three: spec.auth: auth needs exactly one of hmac, token, basic and none",
        "three.yaml:8: LeadWebhook default/three: spec.auth.hmac.algorithm: write one of sha1, sha256, sha512, ed25519, \
         keyed-sha256; did you mean sha512?",
        "three.yaml:11: LeadWebhook default/three: spec.payload.sinks: unknown field",
        "three.yaml:12: LeadWebhook default/three: spec.payload.accept: ",
        "three.yaml:13: LeadWebhook default/three: spec.payload.maxBytes: this must be a whole number, and is a text: write \
         it without quotes",
        "three.yaml:15: LeadWebhook default/three: spec.payload.lead.email: ",
        "three.yaml:18: LeadWebhook default/three: spec.sinks[0].when: ",
        "three.yaml:19: LeadWebhook default/three: spec.sinks[1].name: there is no CrmSink default/hubspott; did you mean hubspot?",
        "web.yaml:1: LeadWebhook default/web: it is defined twice, here and in below/again.yaml, whose definition is used",
    ];
    let mut rest = out.as_str();
    for said in said {
        let Some(at) = rest.find(said) else {
            panic!("{said}\nis not in, or not in order in\n{out}");
        };
        rest = &rest[at..];
    }
    // The sink has its own problem; the webhooks that name it do not repeat it.
    assert!(
        !out.lines().any(|line| line.starts_with("below/again.yaml")),
        "{out}"
    );
    assert!(
        out.ends_with(&format!("{} errors\n", out.lines().count() - 1)),
        "{out}"
    );
}

#[test]
fn what_holds_nothing_that_runs_is_a_problem() {
    let empty = tempfile::tempdir().unwrap();
    let text_only = tempfile::tempdir().unwrap();
    std::fs::write(text_only.path().join("a.txt"), mapped_webhook("web", "s")).unwrap();
    for folder in [&empty, &text_only] {
        let (status, out) = check(folder.path());
        assert_eq!(status, 1);
        assert!(
            out.contains("no LeadWebhook and no CrmSink was found in /"),
            "{out}"
        );
    }
    let (status, out) = check(Path::new("/nonexistent/leadgate"));
    assert_eq!(status, 1);
    assert!(out.contains("/nonexistent/leadgate cannot be read"), "{out}");
}

#[test]
fn a_receiver_does_not_start_without_its_folder() {
    let output = Command::new(binary(false).unwrap())
        .args(["--manifests", "/nonexistent/leadgate"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("--manifests /nonexistent/leadgate: there is no such directory"),
        "{said}"
    );
}

/// A document beside good ones, and what is said of it.
const MISTAKES: &[(&str, &str)] = &[
    (
        "{apiVersion: leadgate.dev/v1alpha1, kind: Leadwebhook, metadata: {name: x}}",
        "kind: leadgate.dev has no kind of this name; did you mean LeadWebhook?",
    ),
    (
        "{apiVersion: leadgate.dev/v1alpha1, kind: Form, metadata: {name: x}}",
        "kind: leadgate.dev has no kind of this name; known kinds: LeadWebhook, CrmSink",
    ),
    (
        "{apiVersion: leadgate.dev/v1, kind: LeadWebhook, metadata: {name: x}}",
        "apiVersion: unknown version; write leadgate.dev/v1alpha1",
    ),
    (
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: Contact_Form}}",
        "LeadWebhook: metadata.name: this is not a valid Kubernetes name",
    ),
    (
        "{apiVersion: leadgate.dev/v1alpha1, kind: CrmSink, metadata: {name: x, namespace: a.b}}",
        "CrmSink x: metadata.namespace: this is not a valid Kubernetes name",
    ),
    (
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: x}, spec: {auth: {secretRefs: [{name: s, key: \
         k}]}, sinks: [{name: hubspot}]}}",
        "spec.auth.secretRefs: unknown field; it belongs under hmac",
    ),
    (
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: x}, spec: {auth: {hmac: {secretRef: {name: s, \
         key: k}}}, sinks: [{name: hubspot}]}}",
        "spec.auth.hmac.secretRef: unknown field; did you mean secretRefs?",
    ),
    (
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: x}, spec: {source: Typeform, auth: {none: \
         {allowUnauthenticated: true}}, sinks: [{name: hubspot}]}}",
        "spec.source: no preset is named Typeform; did you mean typeform?",
    ),
    (
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: x}, spec: {auth: {none: {allowUnauthenticated: \
         true}}, sinks: [hubspot]}}",
        "spec.sinks[0]: this must be an object, and is a text: write {name: …}",
    ),
    (
        "{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: x}, spec: {auth: {none: {allowUnauthenticated: \
         true}}, sinks: {name: hubspot}}}",
        "spec.sinks: this must be a list, and is an object: write a list, as in [{name: …}]",
    ),
    (
        "{apiVersion: v1, kind: Secret, metadata: {name: form}, stringData: {secret: 12345}}
---
{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: x}, spec: {auth: {hmac: {secretRefs: [{name: form, key: \
         secret}]}}, sinks: [{name: hubspot}]}}",
        "Secret form: stringData.secret is not a text; put it in quotes",
    ),
];

#[test]
fn a_mistake_is_told_once_in_words_that_say_what_to_write() {
    for (document, said) in MISTAKES {
        let folder = beside_good_ones("c.yaml", document.as_bytes());
        let (status, out) = check(folder.path());
        assert_eq!(status, 1, "{document}");
        assert!(out.contains(said), "{document}\n{said}\nis not in\n{out}");
        assert!(out.ends_with("\n1 error\n"), "{document}\n{out}");
    }
}

/// What runs and surprises: `spec` of a webhook beside a sink, and what is said of it.
const SURPRISES: &[(&str, &str)] = &[
    (
        "{auth: {token: {secretRefs: [{name: short, key: k}]}}, sinks: [{name: hubspot}]}",
        "spec.auth.token.secretRefs[0]: the key k of Secret short has fewer than 16 bytes",
    ),
    (
        "{auth: {token: {secretRefs: [{name: long, key: k}]}}, payload: {required: [email, custom.size]}, sinks: [{name: hubspot}]}",
        "spec.payload.required: custom.size is required, but no mapping sets it",
    ),
    (
        "{auth: {token: {secretRefs: [{name: long, key: k}]}}, sinks: [{name: hubspot, when: lead.custom.size == '1'}, {name: two}]}",
        "spec.sinks[0].when: no mapping sets lead.custom.size, so the condition is never true",
    ),
    (
        "{auth: {token: {secretRefs: [{name: long, key: k}]}}, sinks: [{name: hubspot, when: lead.country == 'DE'}, {name: two, when: \
         lead.country != 'DE'}]}",
        "spec.sinks: a lead without lead.country goes to no sink",
    ),
    (
        "{auth: {token: {secretRefs: [{name: long, key: k}]}}, payload: {lead: {custom: {budget: payload.b}}}, sinks: [{name: \
         hubspot}, {name: two}]}",
        "spec.properties: no webhook that references this sink sets lead.custom.budgett; did you mean lead.custom.budget?",
    ),
    (
        "{auth: {token: {secretRefs: [{name: long, key: k}]}}, payload: {required: [country], lead: {custom: {budgett: payload.b}}}, \
         sinks: [{name: hubspot, when: lead.country == 'DE'}, {name: two, when: lead.country != 'DE'}]}",
        "",
    ),
    (
        "{auth: {token: {secretRefs: [{name: long, key: k}]}}, payload: {lead: {custom: {budgett: payload.b}}}, \
         sinks: [{name: hubspot, when: lead.country == 'DE'}, {name: two, otherwise: true}]}",
        "",
    ),
];

#[test]
fn what_runs_and_surprises_is_a_warning_that_fails_nothing() {
    for (spec, said) in SURPRISES {
        let folder = tempfile::tempdir().unwrap();
        let rest = format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: short}}, stringData: {{k: '123456789012345'}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: long}}, stringData: {{k: '1234567890123456'}}}}
---
{{apiVersion: leadgate.dev/v1alpha1, kind: CrmSink, metadata: {{name: two}}, spec: {{hubspot: {{tokenSecretRef: {{name: long, key: \
             k}}}}, properties: {{budget: lead.custom.budgett}}}}}}
---
{{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {{name: x}}, spec: {spec}}}
"
        );
        std::fs::write(
            folder.path().join("a.yaml"),
            HubSpotSink::new("http://127.0.0.1:9", "t").yaml(),
        )
        .unwrap();
        std::fs::write(folder.path().join("b.yaml"), rest).unwrap();
        let (status, out) = check(folder.path());
        assert_eq!(status, 0, "{spec}\n{out}");
        if said.is_empty() {
            assert_eq!(out, "1 LeadWebhook and 2 CrmSinks are valid\n", "{spec}");
        } else {
            assert!(
                out.contains("warning: ") && out.contains(said),
                "{spec}\n{said}\nis not in\n{out}"
            );
        }
    }
}

#[test]
fn the_text_of_an_example_is_no_secret() {
    let folder = beside_good_ones(
        "c.yaml",
        b"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {k: put-what-the-sender-signs-with-here}}
---
{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {name: x}, spec: {auth: {hmac: {secretRefs: [{name: s, key: k}]}}, \
          sinks: [{name: hubspot}]}}",
    );
    let (status, out) = check(folder.path());
    assert_eq!(status, 1);
    assert!(
        out.contains("Secret s still contains a placeholder in k; replace it with the real value"),
        "{out}"
    );
}

#[test]
fn files_that_are_none_are_told_and_never_waited_for() {
    let folder = beside_good_ones("utf16.yaml", &[0xff, 0xfe, b'a', 0]);
    let pipe = folder.path().join("pipe.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // A link to the folder itself brings nothing new, and is no problem.
    symlink(folder.path(), folder.path().join("self")).unwrap();
    let (status, out) = check(folder.path());
    assert_eq!(status, 1);
    let said = "pipe.yaml: it is neither a file nor a directory; remove it, or rename it to another extension
utf16.yaml: it is written in UTF-16; save it as UTF-8
2 errors
";
    assert_eq!(out, said);
}

#[test]
fn editors_and_pipelines_get_the_same_as_json() {
    let folder = beside_good_ones("c.yaml", MISTAKES[0].0.as_bytes());
    let (status, out) = check_with(folder.path(), &["-o", "json"]);
    assert_eq!(status, 1);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(report["leadWebhooks"], 1);
    let problem = &report["problems"][0];
    assert_eq!(problem["severity"], "error");
    assert_eq!(
        (&problem["file"], &problem["line"]),
        (&"c.yaml".into(), &1.into())
    );
    assert!(
        problem["message"].as_str().unwrap().starts_with("kind: "),
        "{problem}"
    );
}
