//! Which mistakes of a receiver are found, and what is said about them.

#![allow(unreachable_pub)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{queue_url, receiver, receiver_facts};
use leadgate_crds::LeadReceiver;
use leadgate_crds::lead_receiver::Durability;
use leadgate_operator::lead_receiver::dereference::Dereferenced;
use leadgate_operator::lead_receiver::validate::{Validated, validate};
use leadgate_operator::rules::Rules;
use leadgate_operator::stats::{ReceiverStats, SinkFigures};
use leadgate_operator::stores::{Feed, StoreKey};
use leadgate_operator::workloads::{RedisState, Rollout};
use serde_json::json;

/// Names and specs, from the oldest to the youngest.
type Receivers = Vec<(&'static str, &'static str)>;
type Change = fn(&mut Dereferenced);

/// Validates the last one of several receivers, each an hour younger than the one before.
fn validated(specs: &[(&str, &str)], change: impl Fn(&mut Dereferenced)) -> Validated {
    let receivers: Vec<LeadReceiver> = specs
        .iter()
        .enumerate()
        .map(|(n, (name, spec))| {
            let mut receiver = receiver(name, spec);
            let created = json!(format!("2026-11-23T{:02}:00:00Z", 9 + n));
            receiver.metadata.creation_timestamp = serde_json::from_value(created).unwrap();
            receiver
        })
        .collect();
    let mut facts = receiver_facts(&receivers);
    change(&mut facts);
    let last = receivers.last().unwrap().clone();
    validate(&Arc::new(last), &facts, &Rules::default())
}

/// Each error's reason, and what it says.
fn told(validated: &Validated) -> Vec<(&'static str, String)> {
    let errors = validated.errors.iter();
    errors
        .map(|error| (error.reason.as_str(), error.message.clone()))
        .collect()
}

fn live(size: &str, memory: &str) -> RedisState {
    let quantity = |text: &str| serde_json::from_value(json!(text)).ok();
    RedisState {
        ready: 1,
        size: quantity(size),
        memory: quantity(memory),
        ..RedisState::default()
    }
}

/// Figures of pods whose queue holds some leads.
fn figures(pending: i64, bytes: u64) -> ReceiverStats {
    let mut sink = SinkFigures::default();
    sink.leads.deliveries.pending = pending;
    ReceiverStats {
        sinks: BTreeMap::from([("crm".to_owned(), sink)]),
        queue_bytes: Some(bytes),
        ..ReceiverStats::default()
    }
}

const OWN: &str = "queue: {redis: {urlSecretRef: {name: redis, key: url}}}";

#[test]
fn each_mistake_names_field_and_remedy() {
    let nothing: Change = |_| {};
    #[rustfmt::skip]
    let table: Vec<(&str, Receivers, Change, &str, &[&str])> = vec![
        ("no Redis URL", vec![("a", "queue: {redis: {urlSecretRef: {name: gone, key: url}}}")], nothing, "SecretMissing",
            &["spec.queue.redis.urlSecretRef", "no Secret gone", "with the key url"]),
        ("no URL in the Secret", vec![("a", OWN)], |facts| {
            facts.secrets.insert("redis".to_owned(), Some(queue_url("redis.example.com:6379")));
        }, "QueueUrlInvalid", &["spec.queue.redis.urlSecretRef", "Secret redis holds no URL", "redis://:PASSWORD@HOST:6379/0"]),
        ("no certificate", vec![("a", "tls: {secretRef: {name: gone}}")], nothing, "SecretMissing",
            &["spec.tls.secretRef", "no Secret gone", "tls.crt"]),
        ("no authority", vec![("a", "tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca, key: bundle.pem}}")], nothing,
            "SecretKeyMissing", &["spec.tls.clientCaSecretRef", "Secret senders-ca", "has no key bundle.pem"]),
        ("two configure one queue", vec![("a", "queue: {memory: 1Gi}"), ("b", "queue: {memory: 2Gi}")], nothing, "StoreConflict",
            &["spec.queue", "LeadReceiver a already configures this queue", "remove it"]),
        ("two queues feed a sink", vec![("a", "queue: {}"), ("b", OWN)], |facts| {
            let feed = |webhook: &str| Feed { webhooks: [webhook.to_owned()].into(), pending: 0 };
            let feeds = BTreeMap::from([(StoreKey::Managed, feed("shop")), (facts.stores.key("b"), feed("web"))]);
            facts.contested.insert("crm".to_owned(), (StoreKey::Managed, feeds));
        }, "StoreConflict", &["CrmSink crm", "LeadWebhook web", "LeadWebhook shop", "the same receiverRef", "a CrmSink for each"]),
        ("the former queue still holds leads", vec![("b", OWN)], |facts| {
            facts.rollout = Some(Rollout { store: Some(StoreKey::Managed), ..Rollout::default() });
            facts.figures = Some(figures(3, 0));
        }, "StoreInUse", &["spec.queue", "holds 3 deliveries", "leadgate.dev/allow-loss"]),
        ("it is empty, and pods may still fill it", vec![("b", OWN)], |facts| {
            facts.rollout = Some(Rollout { store: Some(StoreKey::Managed), wanted: 2, ..Rollout::default() });
            facts.figures = Some(figures(0, 0));
        }, "StoreInUse", &["answer 503 for a moment"]),
        ("nobody knows whether it does", vec![("b", OWN)], |facts| {
            facts.rollout = Some(Rollout { store: Some(StoreKey::Managed), ..Rollout::default() });
        }, "StoreInUse", &["may hold leads"]),
        ("a volume that shrinks", vec![("a", "queue: {storage: {size: 1Gi}}")], |facts| facts.redis = Some(live("5Gi", "512Mi")),
            "StorageFixed", &["spec.queue.storage.size", "has 5Gi and cannot shrink to 1Gi", "write 5Gi"]),
        ("a memory that is too small for its leads", vec![("a", "queue: {memory: 64Mi}")], |facts| {
            facts.redis = Some(live("1Gi", "512Mi"));
            facts.figures = Some(figures(9, 100_000_000));
        }, "QueueTooSmall", &["spec.queue.memory", "use 100000000 bytes", "keeps 512Mi"]),
    ];
    for (case, receivers, change, reason, words) in table {
        let found = told(&validated(&receivers, change));
        assert_eq!(found.len(), 1, "{case}: {found:?}");
        assert_eq!(found[0].0, reason, "{case}");
        for word in words {
            assert!(
                found[0].1.contains(word),
                "{case}: {word} is not in: {}",
                found[0].1
            );
        }
    }
}

#[test]
fn what_is_right_is_no_mistake() {
    let nothing: Change = |_| {};
    #[rustfmt::skip]
    let table: Vec<(&str, Receivers, Change)> = vec![
        ("nothing is set", vec![("default", "")], nothing),
        ("another configures the queue", vec![("a", "queue: {memory: 1Gi}"), ("b", "")], nothing),
        ("the former queue is empty, and no pod runs", vec![("b", OWN)], |facts| {
            facts.rollout = Some(Rollout { store: Some(StoreKey::Managed), ..Rollout::default() });
            facts.figures = Some(figures(0, 0));
        }),
        ("the former queue is empty, and the pods refuse leads", vec![("b", OWN)], |facts| {
            facts.rollout = Some(Rollout { store: Some(StoreKey::Managed), wanted: 2, ..Rollout::default() });
            facts.figures = Some(figures(0, 0));
            facts.refuses = true;
        }),
        ("another receiver goes on with the former queue", vec![("a", "queue: {}"), ("b", OWN)], |facts| {
            facts.rollout = Some(Rollout { store: Some(StoreKey::Managed), ..Rollout::default() });
            facts.figures = Some(figures(3, 0));
        }),
        ("less memory, and room enough", vec![("a", "queue: {memory: 256Mi}")], |facts| {
            facts.redis = Some(live("1Gi", "512Mi"));
            facts.figures = Some(figures(9, 1_000_000));
        }),
    ];
    for (case, receivers, change) in table {
        let found = validated(&receivers, change);
        assert_eq!(told(&found), [], "{case}");
        assert!(found.plan.is_some(), "{case}");
    }
}

#[test]
fn the_managed_redis_is_as_its_receiver_says_and_its_volume_can_be() {
    let specs = [
        (
            "a",
            "queue: {durability: EverySecond, memory: 1Gi, storage: {size: 5Gi, storageClassName: fast}}",
        ),
        ("b", ""),
    ];
    let redis = |change: fn(&mut Dereferenced)| validated(&specs, change).plan.unwrap();
    let plan = redis(|_| {});
    let new = plan.redis.unwrap();
    assert_eq!(
        (new.durability, new.memory.as_str(), new.size.as_str()),
        (Durability::EverySecond, "1Gi", "5Gi")
    );
    assert_eq!(new.storage_class.as_deref(), Some("fast"));

    let plan = redis(|facts| facts.redis = Some(live("1Gi", "512Mi")));
    let kept = plan.redis.unwrap();
    assert_eq!(
        (kept.memory.as_str(), kept.size.as_str(), kept.storage_class),
        ("1Gi", "1Gi", None),
        "as the volume was made"
    );
    assert_eq!(kept.wanted_size, "5Gi", "the volume grows");
}

#[test]
fn a_queue_that_holds_leads_is_kept_until_a_person_gives_them_up() {
    let keeps = |annotation: Option<&str>| {
        let mut receiver = receiver("b", OWN);
        receiver.metadata.annotations = annotation
            .map(|value| BTreeMap::from([("leadgate.dev/allow-loss".to_owned(), value.to_owned())]));
        let mut facts = receiver_facts(std::slice::from_ref(&receiver));
        facts.rollout = Some(Rollout {
            store: Some(StoreKey::Managed),
            ..Rollout::default()
        });
        facts.figures = Some(figures(3, 0));
        let found = validate(&Arc::new(receiver), &facts, &Rules::default());
        found.plan.unwrap().store == StoreKey::Managed
    };
    assert!(keeps(None) && keeps(Some("false")));
    assert!(!keeps(Some("true")));
}

/// Servers come before receivers wait for them, and go after receivers have stopped waiting and all leads are elsewhere.
#[test]
fn servers_come_and_go_in_an_order_that_loses_nothing() {
    let spec = |replicas: i32| format!("queue: {{redis: {{replicas: {replicas}}}}}");
    // Servers that there are and that have all leads, how many replicas receivers wait for, and whether they all do.
    let now = |wanted: i32, servers: i32, ready: i32, waits: i32, complete: bool| {
        let receiver = receiver("a", &spec(wanted));
        let mut facts = receiver_facts(std::slice::from_ref(&receiver));
        let rollout = Rollout {
            store: Some(StoreKey::Managed),
            acknowledge: Some(waits),
            complete,
            ..Rollout::default()
        };
        facts.users_of_redis = vec![rollout.clone()];
        facts.rollout = Some(rollout);
        facts.redis = Some(RedisState {
            replicas: servers,
            ready,
            ..RedisState::default()
        });
        let plan = validate(&Arc::new(receiver), &facts, &Rules::default())
            .plan
            .unwrap();
        (plan.redis.unwrap().replicas, plan.acknowledge.unwrap())
    };
    #[rustfmt::skip]
    let table = [
        ("one is to become three", now(3, 1, 1, 0, true), (3, 0)),
        ("more bring a queue back that stands still", now(3, 1, 0, 0, true), (3, 0)),
        ("the new ones do not have all leads", now(3, 3, 1, 0, true), (3, 0)),
        ("one of them has", now(3, 3, 2, 0, true), (3, 1)),
        ("all have", now(3, 3, 3, 1, false), (3, 1)),
        ("one is lost again", now(3, 3, 1, 1, true), (3, 1)),
        ("three are to become one", now(1, 3, 3, 1, true), (3, 0)),
        ("some receivers wait still", now(1, 3, 3, 0, false), (3, 0)),
        ("a server does not have all leads", now(1, 3, 2, 0, true), (3, 0)),
        ("nobody waits, and all have", now(1, 3, 3, 0, true), (1, 0)),
        ("a person stopped all", now(3, 0, 0, 1, true), (3, 1)),
    ];
    for (case, found, expected) in table {
        assert_eq!(found, expected, "{case}");
    }
}
