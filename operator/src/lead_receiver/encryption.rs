//! The keys that seal leads in the managed queue: one Secret for a namespace, because its receivers share that queue.

use kube::api::ObjectMeta;
use leadgate_crds::common::SecretKeyRef;
use leadgate_crds::lead_receiver::Queue;

use super::validate::Plan;
use crate::api_error::ApplyError;
use crate::apply::{create_secret, random_key, secret};
use crate::context::{Context, name_of};
use crate::names;
use crate::ownership::Ownership;

/// The key in the Secret: its value has a key on each line, the newest last.
const KEYS: &str = "keys";

/// Where the keys of a queue are; `None`: what is in it is not sealed.
pub(super) fn source(settings: &Queue, is_managed: bool) -> Option<SecretKeyRef> {
    let given = settings.encryption.as_ref().map(|given| given.secret_ref.clone());
    given.or_else(|| is_managed.then(generated))
}

fn generated() -> SecretKeyRef {
    SecretKeyRef {
        name: names::ENCRYPTION.to_owned(),
        key: KEYS.to_owned(),
    }
}

/// Makes the Secret of a namespace, if it is used and there is none. Nothing removes it: it belongs to the leads in the queue,
/// and these stay with its volume. People add keys to it.
pub(super) async fn keep(plan: &Plan, context: &Context) -> Result<(), ApplyError> {
    if plan.encryption != Some(generated()) {
        return Ok(());
    }
    let (namespace, _) = name_of(plan.receiver.as_ref());
    let metadata = ObjectMeta {
        name: Some(names::ENCRYPTION.to_owned()),
        namespace: Some(namespace.clone()),
        labels: Some(names::encryption_labels()),
        ..ObjectMeta::default()
    };
    let made = secret(metadata, [(KEYS.to_owned(), random_key())]);
    create_secret(context, &namespace, made, Some(Ownership::Shared)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadgate_crds::lead_receiver::Encryption;

    #[test]
    fn the_managed_queue_is_sealed_and_ones_own_if_asked() {
        let own = SecretKeyRef {
            name: "vault".to_owned(),
            key: "leads".to_owned(),
        };
        let asked = Queue {
            encryption: Some(Encryption {
                secret_ref: own.clone(),
            }),
            ..Queue::default()
        };
        for (settings, is_managed, expected) in [
            (&Queue::default(), true, Some(generated())),
            (&Queue::default(), false, None),
            (&asked, true, Some(own.clone())),
            (&asked, false, Some(own.clone())),
        ] {
            assert_eq!(source(settings, is_managed), expected);
        }
    }
}
