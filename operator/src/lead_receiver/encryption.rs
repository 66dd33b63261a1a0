//! The keys that seal leads in the managed queue: one Secret for a namespace, because its receivers share that queue.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::ObjectMeta;
use leadgate_crds::common::SecretKeyRef;
use leadgate_crds::lead_receiver::Queue;

use super::dereference::Dereferenced;
use super::validate::Plan;
use crate::api_error::{ApplyError, failed};
use crate::apply::{create_secret, fill_secret, random_key, secret};
use crate::context::{Context, name_of};
use crate::events;
use crate::kinds::Kind;
use crate::names;
use crate::ownership::Ownership;
use crate::reasons::Reason;
use crate::secrets::Seen;

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

/// The file with the copy that the pods of a receiver are given.
pub(super) const COPY: &str = "encryption-keys";

/// What is to become of the Secret.
#[derive(Debug, PartialEq, Eq)]
enum Keys {
    Kept,
    /// It was deleted or emptied, and the pods still have the keys.
    Restore(String),
    /// Nobody has the keys of the leads in the queue any more.
    Lost,
    New,
}

/// Pure: `secret` and `projected` as they are now; `sealed`: whether a queue is there whose leads were sealed with these keys.
fn decide(secret: Option<&Seen>, projected: Option<&Seen>, sealed: bool, loss_allowed: bool) -> Keys {
    if value(secret, KEYS).is_some() {
        return Keys::Kept;
    }
    match value(projected, COPY) {
        Some(keys) => Keys::Restore(keys),
        None if sealed && !loss_allowed => Keys::Lost,
        None => Keys::New,
    }
}

pub(super) fn value(seen: Option<&Seen>, key: &str) -> Option<String> {
    String::from_utf8(seen?.keys.get(key)?.bytes().to_vec()).ok()
}

/// The copy of the keys for the pods of a receiver: whatever becomes of the Secret, they still have them.
pub(super) fn copy(secret: Option<&Seen>, projected: Option<&Seen>) -> Option<(String, ByteString)> {
    let keys = value(secret, KEYS).or_else(|| value(projected, COPY))?;
    Some((COPY.to_owned(), ByteString(keys.into_bytes())))
}

/// Keeps the Secret of a namespace, if it is used, whatever becomes of it. Nothing removes it: it belongs to the leads in the
/// queue, and these stay with its volume. People add keys to it. Other keys are made only where no lead is sealed.
pub(super) async fn keep(plan: &Plan, facts: &Dereferenced, context: &Context) -> Result<(), ApplyError> {
    if plan.encryption != Some(generated()) {
        return Ok(());
    }
    let receiver = plan.receiver.as_ref();
    let (namespace, _) = name_of(receiver);
    let (secret_now, projected) = (facts.encryption.as_deref(), facts.projected.as_deref());
    let loss_allowed = names::loss_allowed(receiver);
    let sealed = match (&facts.rollout, decide(secret_now, projected, true, loss_allowed)) {
        (Some(rollout), _) => rollout.encryption.as_deref() == Some(names::ENCRYPTION),
        // Without pods, the volume tells.
        (None, Keys::Lost) => has_volume(&namespace, context).await?,
        (None, _) => false,
    };
    let (keys, restored) = match decide(secret_now, projected, sealed, loss_allowed) {
        Keys::Lost => return Err(ApplyError::KeysLost),
        // One that a person restored is taken over.
        Keys::Kept => (String::new(), false),
        Keys::Restore(keys) => (keys, true),
        Keys::New => (random_key(), false),
    };
    let metadata = ObjectMeta {
        name: Some(names::ENCRYPTION.to_owned()),
        namespace: Some(namespace.clone()),
        labels: Some(names::encryption_labels()),
        ..ObjectMeta::default()
    };
    let given = !keys.is_empty();
    let made = secret(metadata, [(KEYS.to_owned(), keys)]);
    if !create_secret(context, &namespace, made.clone(), Some(Ownership::Shared)).await? && given {
        fill_secret(context, &namespace, &made).await?;
    }
    if restored {
        let note = format!(
            "Secret {} was deleted or emptied and is restored with the same keys",
            names::ENCRYPTION
        );
        events::tell(context, receiver, Reason::SecretRemade, note).await;
    }
    Ok(())
}

/// Whether the managed Redis of a namespace has, or had, a volume.
async fn has_volume(namespace: &str, context: &Context) -> Result<bool, ApplyError> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), namespace);
    let claim = format!("data-{}-0", names::REDIS);
    let found = api.get_metadata_opt(&claim).await;
    found
        .map(|found| found.is_some())
        .map_err(|error| failed(Kind::Secret, names::ENCRYPTION, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Value;
    use leadgate_crds::lead_receiver::Encryption;

    #[test]
    fn no_key_is_made_while_leads_are_sealed_with_another() {
        let seen = |key: &str| Seen {
            keys: [(key.to_owned(), Value::new("k"))].into(),
            ..Seen::default()
        };
        let (secret, emptied, copy) = (seen(KEYS), Seen::default(), seen(COPY));
        let restored = || Keys::Restore("k".to_owned());
        #[rustfmt::skip]
        let table = [
            ("as it was made", Some(&secret), None, true, false, Keys::Kept),
            ("deleted", None, Some(&copy), true, false, restored()),
            ("emptied", Some(&emptied), Some(&copy), true, false, restored()),
            ("deleted with its copy", None, Some(&emptied), true, false, Keys::Lost),
            ("a person gives the leads up", None, None, true, true, Keys::New),
            ("no queue yet", None, None, false, false, Keys::New),
        ];
        for (case, secret, projected, sealed, loss, expected) in table {
            assert_eq!(decide(secret, projected, sealed, loss), expected, "{case}");
        }
    }

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
