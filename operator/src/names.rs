//! What things are called: objects, labels, annotations.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use leadgate_crds::LeadWebhook;
use sha2::{Digest as _, Sha256};

/// The field manager of everything that the operator applies, and the value of the label `managed-by`.
pub const MANAGER: &str = "leadgate-operator";
/// The finalizer that lets leads drain before a LeadWebhook goes.
pub const FINALIZER: &str = "leadgate.dev/drain";
/// The annotation with which a person lets a LeadWebhook go although leads would be lost.
pub const ALLOW_LOSS: &str = "leadgate.dev/allow-loss";
/// The annotation of pods that names their LeadWebhook; a label may be too short for the name.
pub const WEBHOOK: &str = "leadgate.dev/webhook";
/// The annotation of pods that changes with the configuration.
pub const CHECKSUM: &str = "leadgate.dev/config-checksum";
/// The name of everything that belongs to a namespace's managed Redis.
pub const REDIS: &str = "leadgate-redis";
/// The label of Secrets that resources may name, where the operator demands one.
pub const USE: &str = "leadgate.dev/use";
/// The label that says who made an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The label that says to which LeadWebhook an object belongs.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// The label that tells receivers from Redis.
pub const COMPONENT: &str = "app.kubernetes.io/component";
const NAME: &str = "app.kubernetes.io/name";
const PART_OF: &str = "app.kubernetes.io/part-of";

/// The label selector of everything that the operator made.
pub const SELECTOR: &str = "app.kubernetes.io/managed-by=leadgate-operator";

/// The longest name of a webhook that is used as it is: pods add up to 17 characters to their Deployment's name.
const PLAIN: usize = 37;

/// A webhook's name as a label: itself, or its beginning and a digest when it is too long or has dots.
pub fn instance(webhook: &str) -> String {
    if webhook.len() <= PLAIN && !webhook.contains('.') {
        return webhook.to_owned();
    }
    let start: String = webhook
        .chars()
        .map(|c| if c == '.' { '-' } else { c })
        .take(PLAIN - 9)
        .collect();
    let digest = hex::encode(Sha256::digest(webhook));
    format!(
        "{}-{}",
        start.trim_end_matches('-'),
        digest.get(..8).unwrap_or(&digest)
    )
}

/// The name of a webhook's ConfigMap, Deployment, Service, …. With a prefix: an application often has a Deployment that
/// is called like its webhook.
pub fn base(webhook: &str) -> String {
    format!("leadgate-{}", instance(webhook))
}

/// The name of a webhook's headless Service and of the Secret with the admin token.
pub fn admin(webhook: &str) -> String {
    format!("{}-admin", base(webhook))
}

/// Whether a Secret of this name is the operator's: Redis's password, a webhook's admin token.
pub fn is_own_secret(name: &str) -> bool {
    name == REDIS || (name.starts_with("leadgate-") && name.ends_with("-admin"))
}

/// The labels by which a webhook's pods are found. They never change: a Deployment's selector is immutable.
pub fn selector(webhook: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (NAME.to_owned(), "leadgate-receiver".to_owned()),
        (INSTANCE.to_owned(), instance(webhook)),
    ])
}

/// The same as text.
pub fn selector_text(webhook: &str) -> String {
    join(&selector(webhook))
}

/// All labels of a webhook's objects.
pub fn labels(webhook: &str) -> BTreeMap<String, String> {
    let mut labels = selector(webhook);
    labels.insert(COMPONENT.to_owned(), "receiver".to_owned());
    labels.extend(common());
    labels
}

/// The labels by which the managed Redis's pod is found.
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
    use super::{REDIS, admin, instance, is_own_secret};

    #[test]
    fn names_fit() {
        assert_eq!(instance("website"), "website");
        let long = format!("a.{}", "b".repeat(200));
        for name in ["web.site", &long, &"x".repeat(38)] {
            let made = instance(name);
            assert!(
                made.len() <= 37 && !made.contains('.') && made != name,
                "{name} -> {made}"
            );
            assert!(admin(name).len() <= 63);
        }
        assert_ne!(instance("web.site"), instance("web-site"));
        assert!(is_own_secret(REDIS) && is_own_secret(&admin("web")) && !is_own_secret("leadgate-web"));
    }
}
