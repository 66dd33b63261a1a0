//! The receivers that the operator acts on: every LeadReceiver, and one named `default` where a LeadWebhook names it and
//! nobody made it. What is implied looks like an object without a uid; what it is made of is removed by the operator
//! itself, since nothing owns it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::Event;
use leadgate_crds::lead_receiver::DEFAULT_RECEIVER;
use leadgate_crds::{LeadReceiver, LeadReceiverSpec, LeadWebhook};

use crate::index::Index;
use crate::kinds::Kind;
use crate::names;

/// All receivers.
pub struct AllReceivers {
    /// Those that exist.
    existing: Store<LeadReceiver>,
    /// Those and the implied ones: what the controller works on.
    all: Store<LeadReceiver>,
    writer: Mutex<Writer<LeadReceiver>>,
}

impl AllReceivers {
    /// With the store that the watch fills.
    pub fn new(existing: Store<LeadReceiver>) -> Self {
        let (all, mut writer) = reflector::store();
        // Nothing is implied before something was seen; the controller must not wait for more.
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        Self {
            existing,
            all,
            writer: Mutex::new(writer),
        }
    }

    /// For the controller.
    pub fn store(&self) -> Store<LeadReceiver> {
        self.all.clone()
    }

    /// Those that exist.
    pub fn existing(&self) -> Vec<Arc<LeadReceiver>> {
        self.existing.state()
    }

    /// The receivers of a namespace.
    pub fn of(&self, namespace: &str) -> Vec<Arc<LeadReceiver>> {
        self.all
            .state_filter(|receiver: &LeadReceiver| receiver.metadata.namespace.as_deref() == Some(namespace))
    }

    /// One of them.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<LeadReceiver>> {
        self.all.get(&ObjectRef::new(name).within(namespace))
    }

    /// Brings the receivers of a namespace in step with what exists and what webhooks name. Says which have changed.
    pub fn refresh(&self, namespace: &str, webhooks: &[Arc<LeadWebhook>], index: &Index) -> Vec<String> {
        let existing = self
            .existing
            .state_filter(|receiver: &LeadReceiver| receiver.metadata.namespace.as_deref() == Some(namespace));
        let deployed = index
            .get(&(
                Kind::Deployment,
                namespace.to_owned(),
                names::receiver(DEFAULT_RECEIVER),
            ))
            .is_some_and(|live| live.owners.is_empty() && live.labelled);
        let wanted = effective(namespace, existing, webhooks, deployed);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = Vec::new();
        let names: HashSet<String> = wanted.iter().map(|receiver| receiver.name_any()).collect();
        for gone in self.of(namespace) {
            if !names.contains(&gone.name_any()) {
                writer.apply_watcher_event(&Event::Delete(gone.as_ref().clone()));
                changed.push(gone.name_any());
            }
        }
        for receiver in wanted {
            let known = self.get(namespace, &receiver.name_any());
            let is_new = |known: &LeadReceiver| differs(known, &receiver);
            if known.as_deref().is_none_or(is_new) {
                changed.push(receiver.name_any());
            }
            if known.is_none_or(|known| known.metadata != receiver.metadata) {
                writer.apply_watcher_event(&Event::Apply(Arc::unwrap_or_clone(receiver)));
            }
        }
        changed
    }
}

/// Whether a person changed something. What the operator writes itself, the status, wakes nobody.
fn differs(a: &LeadReceiver, b: &LeadReceiver) -> bool {
    let (a, b) = (&a.metadata, &b.metadata);
    (&a.uid, a.generation, &a.finalizers) != (&b.uid, b.generation, &b.finalizers)
        || a.deletion_timestamp.is_some() != b.deletion_timestamp.is_some()
}

/// Pure: the receivers of a namespace. An implied one that no webhook names any more, and whose Deployment is still there,
/// is one that is being deleted.
fn effective(
    namespace: &str,
    mut existing: Vec<Arc<LeadReceiver>>,
    webhooks: &[Arc<LeadWebhook>],
    deployed: bool,
) -> Vec<Arc<LeadReceiver>> {
    let exists = existing
        .iter()
        .any(|receiver| receiver.name_any() == DEFAULT_RECEIVER);
    let named = webhooks.iter().any(|webhook| {
        let status = webhook.status.as_ref();
        webhook.spec.receiver_ref.name == DEFAULT_RECEIVER
            || status.and_then(|status| status.receiver.as_deref()) == Some(DEFAULT_RECEIVER)
    });
    if !exists && (named || deployed) {
        let mut implied = LeadReceiver::new(DEFAULT_RECEIVER, LeadReceiverSpec::default());
        implied.metadata.namespace = Some(namespace.to_owned());
        implied.metadata.deletion_timestamp = (!named).then(|| Time(Timestamp::UNIX_EPOCH));
        existing.push(Arc::new(implied));
    }
    existing
}

/// Whether a receiver is only implied.
pub(crate) fn is_implied(receiver: &LeadReceiver) -> bool {
    receiver.metadata.uid.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn webhook(receiver: &str) -> Arc<LeadWebhook> {
        let object = json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
            "spec": {"auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}],
                "receiverRef": {"name": receiver}}});
        Arc::new(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_receiver_is_implied_while_a_webhook_names_it_and_nobody_made_it() {
        let mut made = LeadReceiver::new("default", LeadReceiverSpec::default());
        made.metadata.uid = Some("1".to_owned());
        let made = vec![Arc::new(made)];
        #[rustfmt::skip]
        let table = [
            ("nothing", vec![], vec![], false, vec![]),
            ("named", vec![], vec![webhook("default")], false, vec![("implied", "")]),
            ("another one is named", vec![], vec![webhook("edge")], false, vec![]),
            ("it exists", made, vec![webhook("default")], true, vec![("exists", "")]),
            ("no longer named", vec![], vec![], true, vec![("implied", "deleted")]),
        ];
        for (case, existing, webhooks, deployed, expected) in table {
            let found = effective("n", existing, &webhooks, deployed);
            let words: Vec<(&str, &str)> = found
                .iter()
                .map(|receiver| {
                    let deleted = receiver.metadata.deletion_timestamp.is_some();
                    (
                        if is_implied(receiver) { "implied" } else { "exists" },
                        if deleted { "deleted" } else { "" },
                    )
                })
                .collect();
            assert_eq!(words, expected, "{case}");
        }
    }
}
