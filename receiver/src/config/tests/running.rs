//! A mistake in the folder leaves what runs, and says so.

use std::fs;

use super::{folder, read, texts, webhook};
use crate::config::Problem;

/// What is said of a file.
fn of<'p>(problems: &'p [Problem], file: &str) -> Vec<&'p Problem> {
    problems.iter().filter(|problem| problem.file == file).collect()
}

#[test]
fn a_copy_of_a_manifest_does_not_take_the_place_of_what_runs() {
    let folder = folder(&[("m.yaml", &webhook(""))]);
    let first = read(folder.path(), None);
    assert!(first.problems.is_empty(), "{:?}", first.problems);
    let write = |file: &str, more: &str| fs::write(folder.path().join(file), webhook(more)).unwrap();
    let suspended = |config: &super::Config| config.webhooks().map(|own| own.suspended).collect::<Vec<_>>();

    write("a-copy.yaml", "suspend: true");
    let copied = read(folder.path(), Some(&first));
    assert_eq!(suspended(&copied), [false]);
    let told = of(&copied.problems, "a-copy.yaml");
    assert!(
        matches!(told.as_slice(), [problem] if problem.previous_kept
            && problem.message.contains("it is defined twice, here and in m.yaml, whose definition is used")),
        "{:?}",
        copied.problems
    );
    assert_eq!(copied.problems.len(), 1);

    // The one that runs may change where it stands.
    write("m.yaml", "payload: {maxBytes: 2048}");
    let changed = read(folder.path(), Some(&copied));
    assert_eq!(suspended(&changed), [false]);
    assert_eq!(changed.webhooks().next().unwrap().max_bytes, 2048);

    // Without the other, the copy is the definition.
    fs::remove_file(folder.path().join("m.yaml")).unwrap();
    let moved = read(folder.path(), Some(&changed));
    assert_eq!((suspended(&moved), moved.problems.len()), (vec![true], 0));

    // Nothing runs yet: the first one is used.
    write("m.yaml", "");
    let fresh = read(folder.path(), None);
    assert_eq!(suspended(&fresh), [true]);
    assert!(
        of(&fresh.problems, "m.yaml")[0]
            .message
            .contains("here and in a-copy.yaml")
    );
}

#[test]
fn a_file_that_cannot_be_read_says_that_what_ran_goes_on() {
    let folder = folder(&[("m.yaml", &webhook(""))]);
    let first = read(folder.path(), None);
    for broken in [
        "spec: [",
        &webhook("").replace("kind: LeadWebhook", "kind: LeadWebhok"),
        "kind: A",
    ] {
        fs::write(folder.path().join("m.yaml"), broken).unwrap();
        let after = read(folder.path(), Some(&first));
        let told = of(&after.problems, "m.yaml");
        assert!(
            matches!(told.as_slice(), [problem] if problem.previous_kept),
            "{told:?}"
        );
        assert!(
            told[0].told().ends_with("(the previous version keeps running)"),
            "{told:?}"
        );
        assert_eq!(after.webhooks().count(), 1);
        // What never ran is not kept.
        assert!(!of(&read(folder.path(), None).problems, "m.yaml")[0].previous_kept);
    }
    for name in ["m.yaml", "sink.yaml"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let emptied = read(folder.path(), Some(&first));
    assert!(
        matches!(emptied.problems.as_slice(), [problem] if problem.previous_kept),
        "{:?}",
        emptied.problems
    );
}

#[test]
fn a_webhook_without_a_path_of_its_own_is_not_said_to_run() {
    let folder = folder(&[("m.yaml", &webhook("path: /leads"))]);
    let first = read(folder.path(), None);
    let thief = webhook("path: /leads").replace("name: web", "name: a-thief");
    fs::write(folder.path().join("t.yaml"), thief).unwrap();
    let second = read(folder.path(), Some(&first));
    assert_eq!((second.webhooks().count(), second.running_webhooks()), (2, 1));
    assert!(
        second.changes_since(&first).is_empty(),
        "{:?}",
        second.changes_since(&first)
    );
    fs::write(folder.path().join("m.yaml"), webhook("path: /other")).unwrap();
    let third = read(folder.path(), Some(&second));
    assert_eq!(
        third.changes_since(&second).added,
        ["LeadWebhook default/a-thief"]
    );
}

#[test]
fn odd_secrets_are_told() {
    let secret = |data: &str| format!("{{apiVersion: v1, kind: Secret, metadata: {{name: t}}, {data}}}");
    let hook = webhook("").replace("name: s", "name: t");
    let told = |first: &str, second: &str| {
        let folder = folder(&[
            ("a.yaml", &secret(first)),
            ("b.yaml", &secret(second)),
            ("m.yaml", &hook),
        ]);
        let config = read(folder.path(), None);
        (texts(&config.problems), texts(&config.warnings))
    };
    let (mine, other) = (
        "stringData: {k: '0123456789abcdef'}",
        "stringData: {k: 'fedcba9876543210'}",
    );
    let (errors, warnings) = told(mine, other);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(
        warnings,
        [
            "b.yaml:1: warning: Secret default/t: the key k is defined twice, with another value in a.yaml; the value here is used; \
          remove one of them"
        ]
    );
    // The same value twice, and keys in two files, surprise nobody.
    for second in [mine, "stringData: {x: y}"] {
        assert_eq!(told(mine, second), (Vec::new(), Vec::new()));
    }
    let (errors, warnings) = told(
        "stringdata: {k: '0123456789abcdef'}",
        "type: Opaque, immutable: true",
    );
    assert!(
        errors[0].contains("Secret t in a.yaml has no key k; add it"),
        "{errors:?}"
    );
    assert!(
        warnings[0].contains("stringdata: unknown field; did you mean stringData?"),
        "{warnings:?}"
    );
    let (errors, _) = told("stringData: {kk: '0123456789abcdef'}", "data: {}");
    assert!(errors[0].contains("has no key k; did you mean kk?"), "{errors:?}");
}

#[test]
fn the_extension_of_a_file_has_no_case() {
    let folder = folder(&[("M2.YAML", &webhook("")), ("notes.txt", "{")]);
    let config = read(folder.path(), None);
    assert_eq!((config.webhooks().count(), config.problems.len()), (1, 0));
}
