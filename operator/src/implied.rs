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
use leadgate_crds::{LeadReceiver, LeadReceiverSpec};

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

    /// All receivers, the implied ones included.
    pub fn every(&self) -> Vec<Arc<LeadReceiver>> {
        self.all.state()
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

    /// Brings the receivers of a namespace in step with what exists and what webhooks need. Says which have changed.
    /// `needed`: whether a webhook needs the implied one.
    pub fn refresh(&self, namespace: &str, needed: bool, index: &Index) -> Vec<String> {
        let existing = self.existing.state_filter(|receiver: &LeadReceiver| {
            receiver.metadata.namespace.as_deref() == Some(namespace)
        });
        let deployed = index
            .get(&(
                Kind::Deployment,
                namespace.to_owned(),
                names::receiver(DEFAULT_RECEIVER),
            ))
            .is_some_and(|live| live.owners.is_empty() && live.is_made());
        let wanted = effective(namespace, existing, needed, deployed);
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
    // An annotation pauses it, or allows the loss of leads.
    (&a.uid, a.generation, &a.finalizers, &a.annotations)
        != (&b.uid, b.generation, &b.finalizers, &b.annotations)
        || a.deletion_timestamp.is_some() != b.deletion_timestamp.is_some()
}

/// Pure: the receivers of a namespace. An implied one that no webhook needs any more, and whose Deployment is still there,
/// is one that is being deleted.
fn effective(
    namespace: &str,
    mut existing: Vec<Arc<LeadReceiver>>,
    needed: bool,
    deployed: bool,
) -> Vec<Arc<LeadReceiver>> {
    let exists = existing
        .iter()
        .any(|receiver| receiver.name_any() == DEFAULT_RECEIVER);
    if !exists && (needed || deployed) {
        let mut implied = LeadReceiver::new(DEFAULT_RECEIVER, LeadReceiverSpec::default());
        implied.metadata.namespace = Some(namespace.to_owned());
        implied.metadata.deletion_timestamp = (!needed).then_some(Time(Timestamp::UNIX_EPOCH));
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

    #[test]
    fn a_receiver_is_implied_while_a_webhook_needs_it_and_nobody_made_it() {
        let mut made = LeadReceiver::new("default", LeadReceiverSpec::default());
        made.metadata.uid = Some("1".to_owned());
        let made = vec![Arc::new(made)];
        #[rustfmt::skip]
        let table = [
            ("nothing", vec![], false, false, vec![]),
            ("needed", vec![], true, false, vec![("implied", "")]),
            ("it exists", made, true, true, vec![("exists", "")]),
            ("no longer needed", vec![], false, true, vec![("implied", "deleted")]),
        ];
        for (case, existing, needed, deployed, expected) in table {
            let found = effective("n", existing, needed, deployed);
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
