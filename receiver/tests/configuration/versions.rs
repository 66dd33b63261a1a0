//! What runs is named as the API server names it.

use std::sync::Arc;

use leadgate_receiver::config::Config;
use serde_json::json;

use crate::folder::{Folder, problems, sink, webhook};

/// Name, uid and generation of each webhook that runs.
fn versions(config: &Config) -> Vec<(String, String, i64)> {
    config
        .webhooks()
        .zip(config.webhook_versions())
        .map(|(webhook, version)| {
            (
                webhook.id.name().to_owned(),
                version.uid.to_owned(),
                version.generation,
            )
        })
        .collect()
}

fn of_web(generation: i64) -> Vec<(String, String, i64)> {
    vec![("web".to_owned(), "uid-of-web".to_owned(), generation)]
}

#[test]
fn what_runs_has_the_generation_of_its_manifest() {
    let folder = Folder::new();
    folder.write("web", &webhook("web", 7, &json!({})));
    let config = folder.load(None);
    assert_eq!(problems(&config), Vec::<String>::new());
    assert_eq!(versions(&config), of_web(7));
    let of_sink = config.sink_versions().next().unwrap();
    assert_eq!((of_sink.uid, of_sink.generation), ("uid-of-crm", 1));
}

#[test]
fn a_new_version_that_does_not_compile_leaves_the_one_before_and_its_generation() {
    let folder = Folder::new();
    folder.write("web", &webhook("web", 1, &json!({})));
    let first = folder.load(None);
    folder.write(
        "web",
        &webhook("web", 2, &json!({"idempotency": {"key": "payload.("}})),
    );
    let second = folder.load(Some(&first));
    assert_eq!(versions(&second), of_web(1));
    assert!(second.problems[0].previous_kept, "{:?}", second.problems);
    // A sink that is gone is a mistake of the webhook, too.
    folder.write("web", &webhook("web", 3, &json!({"sinks": [{"name": "gone"}]})));
    let third = folder.load(Some(&second));
    assert_eq!(versions(&third), of_web(1));
    folder.write("web", &webhook("web", 4, &json!({"suspend": true})));
    let fourth = folder.load(Some(&third));
    assert_eq!(versions(&fourth), of_web(4));
    assert!(fourth.webhooks().all(|webhook| webhook.suspended));
}

#[test]
fn a_generation_that_changes_nothing_is_told_without_compiling() {
    let folder = Folder::new();
    folder.write("web", &webhook("web", 1, &json!({})));
    let first = folder.load(None);
    folder.write("web", &webhook("web", 2, &json!({})));
    folder.write("sink", &sink(5, "crm"));
    let second = folder.load(Some(&first));
    assert_eq!(versions(&second), of_web(2));
    assert_eq!(second.sink_versions().next().unwrap().generation, 5);
    let same = |one: &Config, other: &Config| {
        Arc::ptr_eq(one.webhooks().next().unwrap(), other.webhooks().next().unwrap())
            && Arc::ptr_eq(one.sinks().next().unwrap(), other.sinks().next().unwrap())
    };
    assert!(same(&first, &second));
    assert!(second.changes_since(&first).is_empty());
}

#[test]
fn a_secret_that_changes_is_read_by_the_webhooks_that_name_it_though_their_files_did_not_change() {
    let folder = Folder::new();
    let auth = json!({"auth": {"hmac": {"secretRefs": [{"name": "web", "key": "key"}]}}});
    folder.write("web", &webhook("web", 1, &auth));
    folder.write("other", &webhook("other", 1, &json!({})));
    folder.secret("web", "the-first-key-of-web");
    let first = folder.load(None);
    assert_eq!(problems(&first), Vec::<String>::new());
    folder.secret("web", "another-key-of-web!!");
    let second = folder.load(Some(&first));
    assert_eq!(problems(&second), Vec::<String>::new());
    assert_eq!(second.changes_since(&first).changed, ["LeadWebhook shop/web"]);
    // A Secret that goes takes nothing away.
    std::fs::remove_file(folder.path().join("secret-web.json")).unwrap();
    let third = folder.load(Some(&second));
    assert!(
        problems(&third)[0].contains("there is no Secret web"),
        "{:?}",
        third.problems
    );
    assert!(third.changes_since(&second).is_empty());
}
