//! What things are called: objects, labels, annotations.

use std::collections::BTreeMap;

use kube::{Resource, ResourceExt as _};
use leadgate_crds::LeadWebhook;
use sha2::{Digest as _, Sha256};

/// The name of the Secret that hides whom the ledger of a namespace is about.
pub const LEDGER: &str = "leadgate-ledger";

/// The name of the Secret with the keys that seal the leads in the managed queue of a namespace.
pub const ENCRYPTION: &str = "leadgate-encryption";

/// The Secrets of a namespace that all its receivers share. The names are reserved, so whoever makes one restores it.
pub const SHARED_SECRETS: [&str; 3] = [REDIS, LEDGER, ENCRYPTION];

/// The field manager of everything that the operator applies, and the value of the label `managed-by`.
pub const MANAGER: &str = "leadgate-operator";
/// The field manager of Secrets with generated values: not the one that applies, because what that one applied later without the
/// values would remove them.
pub const GENERATOR: &str = "leadgate-operator-generator";
/// The finalizer that lets leads drain before a LeadWebhook goes, and keeps a LeadReceiver while webhooks name it.
pub const FINALIZER: &str = "leadgate.dev/drain";
/// The annotation with which a person lets a LeadWebhook go although leads would be lost.
pub const ALLOW_LOSS: &str = "leadgate.dev/allow-loss";
/// The annotation of pods that names their LeadReceiver; a label may be too short for the name.
pub const RECEIVER: &str = "leadgate.dev/receiver";
/// The annotation of pods that changes with the configuration: the kubelet then refreshes their volumes at once.
pub const CONFIG: &str = "leadgate.dev/config";
/// The annotation of a Deployment that says which queue its pods use.
pub const STORE: &str = "leadgate.dev/store";
/// The annotation of every object that the operator makes: which installation of it made the object.
pub const INSTALLATION: &str = "leadgate.dev/installation";
/// The ConfigMap that says which installation works in a namespace.
pub const CLAIM: &str = "leadgate-installation";
/// The annotation of that ConfigMap with the installation that would like to work there, too.
pub const CONTESTED: &str = "leadgate.dev/contested-by";
/// The annotation of pods that changes with the URL of their proxy.
pub const PROXY: &str = "leadgate.dev/proxy";
/// The annotation of pods that changes with the server of the queue.
pub const SERVER: &str = "leadgate.dev/server";
/// The annotation of a generated Secret that was deleted and made again, with another key.
pub const REMADE: &str = "leadgate.dev/remade";
/// The annotation of a resource that stops its reconciliation.
pub const PAUSED: &str = "leadgate.dev/paused";
/// The annotation that the operator adds in its memory to a resource of which it cannot read everything: the paths, a line each.
pub const UNREAD: &str = "leadgate.dev/unread";
/// The name of everything that belongs to a namespace's managed Redis.
pub const REDIS: &str = "leadgate-redis";
/// The headless Service by which the servers of the managed Redis are told apart.
pub const REDIS_PEERS: &str = "leadgate-redis-peers";
/// The most servers that the managed Redis can have.
pub const MAX_REDIS: i32 = 3;
/// The label of pods that the managed Redis lets in besides receivers, with the value `true`: backups, and whatever else a
/// person runs.
pub const REDIS_CLIENT: &str = "leadgate.dev/redis-client";
/// The label of Secrets that resources may name, where the operator demands one.
pub const USE: &str = "leadgate.dev/use";
/// The label that says who made an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The label that says to which LeadReceiver or LeadWebhook an object belongs.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// The label that tells receivers from Redis.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Its value for Secrets that `generateSecret` asks for.
pub const GENERATED: &str = "generated-secret";
const NAME: &str = "app.kubernetes.io/name";
const PART_OF: &str = "app.kubernetes.io/part-of";

/// The label selector of everything that the operator made.
pub const SELECTOR: &str = "app.kubernetes.io/managed-by=leadgate-operator";

/// The longest name that is used as it is: pods add up to 17 characters to their Deployment's name, and a host name has
/// 63.
const PLAIN: usize = 28;

/// A resource's name as a label: itself, or its beginning and a digest when it is too long or has dots.
pub fn instance(name: &str) -> String {
    if name.len() <= PLAIN && !name.contains('.') {
        return name.to_owned();
    }
    let start: String = name
        .chars()
        .map(|c| if c == '.' { '-' } else { c })
        .take(PLAIN - 9)
        .collect();
    let digest = hex::encode(Sha256::digest(name));
    format!(
        "{}-{}",
        start.trim_end_matches('-'),
        digest.get(..8).unwrap_or(&digest)
    )
}

// What an object is for stands before the name that a person chose, so that no two names can collide: whatever is written
// after `leadgate-receiver-`, it is no admin Service and no Redis.

/// The name of a receiver's Deployment, Service, ServiceAccount, ….
pub fn receiver(name: &str) -> String {
    format!("leadgate-receiver-{}", instance(name))
}

/// The name of a receiver's headless Service and of the Secret with the admin token.
pub fn admin(receiver: &str) -> String {
    format!("leadgate-admin-{}", instance(receiver))
}

/// The name of a receiver's n-th ConfigMap.
pub fn config(receiver: &str, n: usize) -> String {
    format!("leadgate-config-{n}-{}", instance(receiver))
}

/// The name of the Secret with the keys that a receiver's webhooks and sinks name.
pub fn secrets(receiver: &str) -> String {
    format!("leadgate-secrets-{}", instance(receiver))
}

/// The name of a webhook's Ingress or HTTPRoute.
pub fn route(webhook: &str) -> String {
    format!("leadgate-webhook-{}", instance(webhook))
}

/// Whether a Secret of this name is the operator's: Redis's password and certificates, the ledger's key, the encryption keys, a receiver's admin token, copies of Secrets.
pub fn is_own_secret(name: &str) -> bool {
    name == REDIS
        || name == LEDGER
        || name == ENCRYPTION
        || name.starts_with("leadgate-admin-")
        || name.starts_with("leadgate-secrets-")
}

/// The labels by which a receiver's pods are found. They never change: a Deployment's selector is immutable.
pub fn selector(receiver: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (NAME.to_owned(), "leadgate-receiver".to_owned()),
        (INSTANCE.to_owned(), instance(receiver)),
    ])
}

/// The same as text.
pub fn selector_text(receiver: &str) -> String {
    join(&selector(receiver))
}

/// All labels of a receiver's objects.
pub fn labels(receiver: &str) -> BTreeMap<String, String> {
    let mut labels = selector(receiver);
    labels.insert(COMPONENT.to_owned(), "receiver".to_owned());
    labels.extend(common());
    labels
}

/// All labels of a webhook's objects.
pub fn route_labels(webhook: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (NAME.to_owned(), "leadgate-webhook".to_owned()),
        (INSTANCE.to_owned(), instance(webhook)),
        (COMPONENT.to_owned(), "route".to_owned()),
    ]);
    labels.extend(common());
    labels
}

/// The host name of a server of the managed Redis, for its namespace.
pub fn redis_host(n: i32) -> String {
    format!("{REDIS}-{n}.{REDIS_PEERS}")
}

/// The labels by which the managed Redis's pods are found.
pub fn redis_selector() -> BTreeMap<String, String> {
    BTreeMap::from([
        (NAME.to_owned(), REDIS.to_owned()),
        (COMPONENT.to_owned(), "redis".to_owned()),
    ])
}

/// All labels of the managed Redis's objects.
pub fn redis_labels() -> BTreeMap<String, String> {
    let mut labels = redis_selector();
    labels.extend(common());
    labels
}

/// All labels of the Secret that hides whom the ledger is about.
pub fn ledger_labels() -> BTreeMap<String, String> {
    of_the_namespace(LEDGER, "ledger")
}

/// All labels of the Secret with the encryption keys.
pub fn encryption_labels() -> BTreeMap<String, String> {
    of_the_namespace(ENCRYPTION, "encryption")
}

fn of_the_namespace(name: &str, component: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (NAME.to_owned(), name.to_owned()),
        (COMPONENT.to_owned(), component.to_owned()),
    ]);
    labels.extend(common());
    labels
}

/// All labels of the ConfigMap that says which installation works in a namespace.
pub fn claim_labels() -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (NAME.to_owned(), CLAIM.to_owned()),
        (COMPONENT.to_owned(), "installation".to_owned()),
    ]);
    labels.extend(common());
    labels
}

fn common() -> [(String, String); 2] {
    [
        (PART_OF.to_owned(), "leadgate".to_owned()),
        (MANAGED_BY.to_owned(), MANAGER.to_owned()),
    ]
}

fn join(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(",")
}

/// Whether a person has paused the reconciliation of a resource.
pub(crate) fn is_paused<K: Resource>(object: &K) -> bool {
    object
        .annotations()
        .get(PAUSED)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Whether a person gives up the leads of a resource.
pub(crate) fn loss_allowed<K: Resource>(object: &K) -> bool {
    object
        .annotations()
        .get(ALLOW_LOSS)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The path that senders post to.
pub fn path(webhook: &LeadWebhook) -> String {
    webhook.spec.path.clone().unwrap_or_else(|| {
        format!(
            "/webhooks/{}/{}",
            webhook.namespace().unwrap_or_default(),
            webhook.name_any()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        assert_eq!(instance("website"), "website");
        let long = format!("a.{}", "b".repeat(200));
        for name in ["web.site", &long, &"x".repeat(PLAIN + 1)] {
            let made = instance(name);
            assert!(
                made.len() <= PLAIN && !made.contains('.') && made != name,
                "{name} -> {made}"
            );
            assert!(receiver(name).len() + 17 <= 63);
        }
        assert_ne!(instance("web.site"), instance("web-site"));
        assert!(is_own_secret(REDIS) && is_own_secret(&admin("web")) && is_own_secret(&secrets("web")));
        assert!(!is_own_secret("leadgate-web"));
    }
}
