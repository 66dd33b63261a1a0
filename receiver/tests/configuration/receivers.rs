//! Several receivers share a store and a folder; each serves its own webhooks, and delivers the leads of all.

use serde_json::json;

use crate::folder::{Folder, problems, receiver, webhook};

#[test]
fn a_receiver_serves_its_own_webhooks_and_delivers_for_all() {
    let mut folder = Folder::new();
    folder.write("one", &webhook("one", 1, &json!({})));
    folder.write(
        "two",
        &webhook("two", 1, &json!({"receiverRef": {"name": "fast"}})),
    );
    let paths = ["/webhooks/shop/one", "/webhooks/shop/two"];
    for (flag, served) in [
        (None, [true, true]),
        (Some("default"), [true, false]),
        (Some("fast"), [false, true]),
        (Some("neither"), [false, false]),
    ] {
        folder.receiver = flag.map(str::to_owned);
        let config = folder.load(None);
        assert_eq!(problems(&config), Vec::<String>::new());
        assert_eq!(paths.map(|path| config.route(path).is_some()), served, "{flag:?}");
        let told: Vec<bool> = config.webhooks().map(|webhook| config.serves(webhook)).collect();
        assert_eq!(told, served, "{flag:?}");
        assert!(!config.incomplete, "an unknown path is none of ours: 404");
    }
}

#[test]
fn two_receivers_may_serve_one_path_and_one_receiver_may_not() {
    let mut folder = Folder::new();
    folder.write("one", &webhook("one", 1, &json!({"path": "/leads"})));
    folder.write(
        "two",
        &webhook(
            "two",
            1,
            &json!({"path": "/leads", "receiverRef": {"name": "fast"}}),
        ),
    );
    folder.receiver = Some("fast".to_owned());
    let config = folder.load(None);
    assert_eq!(problems(&config), Vec::<String>::new());
    assert_eq!(config.route("/leads").unwrap().webhook.id.name(), "two");
    folder.receiver = None;
    let config = folder.load(None);
    assert!(
        problems(&config)[0].contains("/leads belongs to LeadWebhook shop/one already"),
        "{:?}",
        config.problems
    );
}

#[test]
fn a_lead_receiver_is_checked_as_the_api_server_checks_it() {
    for (spec, said) in [
        (json!({}), None),
        (
            json!({"limits": {"bodyMemory": "64Ki", "rejectedCopies": "1G", "pendingDeliveries": 1}}),
            None,
        ),
        (json!({"limits": {"bodyMemory": 1_000_000}}), None),
        (
            json!({"limits": {"bodyMemory": "63Ki"}}),
            Some(
                "spec.limits.bodyMemory: limits.bodyMemory must be a quantity of at least 64Ki: write for example 32Mi",
            ),
        ),
        (
            json!({"limits": {"rejectedCopies": "many"}}),
            Some("spec.limits.rejectedCopies: limits.rejectedCopies must be a quantity of at least 64Ki"),
        ),
        (
            json!({"limits": {"pendingDelivery": 5}}),
            Some("spec.limits.pendingDelivery: unknown field; did you mean pendingDeliveries?"),
        ),
        (
            json!({"outbound": {"proxy": {"noProxy": [".example.com"]}}}),
            Some("proxy.url is missing"),
        ),
        // Rules for changes have nothing to compare with.
        (
            json!({"replicas": 2, "queue": {"storage": {"size": "2Gi", "storageClassName": "fast"}}}),
            None,
        ),
        (
            json!({"queue": {"memory": "1Mi"}}),
            Some("queue.memory must be a quantity of at least 64Mi"),
        ),
        (
            json!({"queue": {"storage": {"size": "0"}}}),
            Some("queue.storage.size must be a quantity of bytes"),
        ),
    ] {
        let folder = Folder::new();
        folder.write("receiver", &receiver("default", &spec));
        let found = problems(&folder.load(None));
        match said {
            None => assert_eq!(found, Vec::<String>::new(), "{spec}"),
            Some(said) => {
                assert_eq!(found.len(), 1, "{spec}: {found:?}");
                assert!(found[0].contains(said), "{spec}: {found:?}");
                assert!(found[0].contains("LeadReceiver shop/default"), "{found:?}");
            }
        }
    }
}

#[test]
fn a_lead_receiver_without_spec_is_told_what_to_write() {
    let folder = Folder::new();
    let mut object = receiver("default", &json!({}));
    object.as_object_mut().unwrap().remove("spec");
    folder.write("receiver", &object);
    let found = problems(&folder.load(None));
    assert!(
        found[0].contains("spec is missing") && found[0].contains("spec: {}"),
        "{found:?}"
    );
}
