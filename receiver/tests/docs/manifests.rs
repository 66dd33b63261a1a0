//! Manifests that people start from are valid: those of `examples/`, and those in the documents.

use std::fs;
use std::path::Path;

use leadgate_receiver::config::{Folders, load};

use super::{blocks, read, root};

/// What is said of a Secret that was copied as it is.
const EXAMPLE_SECRET: &str = "still contains a placeholder";

fn problems(manifests: &Path) -> Vec<String> {
    let folders = Folders {
        manifests: manifests.to_owned(),
        secrets: None,
        local_addresses: true,
        receiver: None,
    };
    let config = load(&folders, None);
    assert!(
        config.webhooks().count() + config.sinks().count() > 0 || !config.problems.is_empty(),
        "{} is empty",
        manifests.display()
    );
    config.problems.iter().map(ToString::to_string).collect()
}

/// Those that a receiver reads as they are. `tests/tests/examples` tries all of them on an API server.
#[test]
fn every_example_is_valid() {
    for name in ["quickstart", "crms", "notify"] {
        let folder = root().join("examples").join(name);
        let mut found = problems(&folder);
        // Whoever copies an example puts in secrets of their own, and is told where that was forgotten.
        found.retain(|problem| !problem.contains(EXAMPLE_SECRET));
        assert_eq!(found, Vec::<String>::new(), "{name}");
    }
    // Its Secrets are in no file, because nobody commits them.
    let folder = tempfile::tempdir().unwrap();
    for name in ["crmsink.yaml", "leadwebhook.yaml"] {
        let file = root().join("examples/kubernetes").join(name);
        fs::copy(file, folder.path().join(name)).unwrap();
    }
    for (name, key) in [("hubspot-token", "token"), ("website", "hmac")] {
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{{key}: a-secret-of-one's-own}}\n"
        );
        fs::write(folder.path().join(format!("{name}.yaml")), secret).unwrap();
    }
    assert_eq!(problems(folder.path()), Vec::<String>::new(), "kubernetes");
}

#[test]
fn editors_take_every_example_and_mark_a_misspelt_field() {
    let schema = serde_json::from_str(&read("crds/yaml/leadgate.schema.json")).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let mut tried = 0;
    for name in ["quickstart", "kubernetes", "crms", "notify"] {
        for entry in fs::read_dir(root().join("examples").join(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for mut object in serde_saphyr::from_multiple::<serde_json::Value>(&text).unwrap() {
                assert!(validator.is_valid(&object), "{}", path.display());
                if matches!(object["kind"].as_str(), Some("LeadWebhook" | "CrmSink")) {
                    object["spec"]["sinkz"] = true.into();
                    assert!(!validator.is_valid(&object), "{}", path.display());
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 10, "{tried} objects were tried");
}

/// A document may leave out what the quickstart's folder has: its Secrets and its CrmSink.
#[test]
fn every_manifest_in_the_documents_is_valid() {
    if std::env::var_os("UPDATE").is_some() {
        return; // Some of them are being written.
    }
    let mut tried = 0;
    for file in [
        "README.md",
        "docs/quickstart.md",
        "docs/operations.md",
        "docs/expressions.md",
        "docs/senders.md",
        "docs/crms/rest.md",
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (n, block) in blocks(&read(file), "yaml").iter().enumerate() {
            if block.contains("kind: ") {
                fs::write(folder.path().join(format!("{n}.yaml")), block).unwrap();
                tried += 1;
            }
        }
        for name in ["secrets.yaml", "crmsink.yaml", "webhooks.yaml"] {
            fs::copy(
                root().join("examples/quickstart").join(name),
                folder.path().join(format!("z-{name}")),
            )
            .unwrap();
        }
        // A document that shows the same object again in another form is not a mistake.
        let mut found = problems(folder.path());
        found.retain(|problem| !problem.contains("defined twice") && !problem.contains(EXAMPLE_SECRET));
        assert_eq!(found, Vec::<String>::new(), "{file}");
    }
    assert!(tried >= 3, "{tried} manifests were tried");
}

#[test]
fn every_crm_of_the_examples_is_listed_with_its_documents() {
    let list = read("docs/crms/README.md");
    let mut tried = 0;
    for entry in fs::read_dir(root().join("examples/crms")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let row = list
            .lines()
            .find(|line| line.contains(&format!("(../../examples/crms/{name})")));
        let row = row.unwrap_or_else(|| panic!("docs/crms/README.md does not list {name}"));
        assert!(row.contains("](https://") && row.contains("| 20"), "{row}");
        tried += 1;
    }
    assert!(tried > 0);
}

/// Each page's manifest, with the Secret that it names; all at once, as one namespace would have them.
#[test]
fn every_manifest_in_the_senders_pages_is_valid() {
    if std::env::var_os("UPDATE").is_some() {
        return; // They are being written.
    }
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for file in fs::read_dir(root().join("docs/senders")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let found = blocks(&fs::read_to_string(&file).unwrap(), "yaml");
        assert_eq!(found.len(), 1, "{name}");
        let secret = format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\n\
             stringData: {{secret: MDEyMzQ1Njc4OWFiY2RlZg==, verify-token: v, api-token: a}}\n"
        );
        fs::write(
            folder.path().join(format!("{name}.yaml")),
            format!("{}{secret}", found[0]),
        )
        .unwrap();
        tried += 1;
    }
    for name in ["secrets.yaml", "crmsink.yaml"] {
        let from = root().join("examples/quickstart").join(name);
        fs::copy(from, folder.path().join(format!("z-{name}"))).unwrap();
    }
    assert_eq!(problems(folder.path()), Vec::<String>::new());
    assert!(tried >= 37, "{tried} manifests were tried");
}
