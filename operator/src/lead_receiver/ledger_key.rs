//! The keys that hide whom the entries of the ledger are about: one Secret for a namespace, because its receivers share a queue.

use k8s_openapi::ByteString;
use kube::api::ObjectMeta;
use leadgate_crds::LeadReceiver;

use super::dereference::Dereferenced;
use super::encryption::value;
use crate::api_error::ApplyError;
use crate::apply::{create_secret, fill_secret, random_key, secret};
use crate::context::{Context, name_of};
use crate::events;
use crate::names;
use crate::ownership::Ownership;
use crate::reasons::Reason;
use crate::secrets::Seen;

/// The key in the Secret: its value has a key on each line, the newest last.
pub(super) const KEY: &str = "key";

/// The file with the copy that the pods of a receiver are given.
const COPY: &str = "ledger-keys";

/// The copy of the keys for the pods of a receiver: whatever becomes of the Secret, they still have them.
pub(super) fn copy(secret: Option<&Seen>, projected: Option<&Seen>) -> Option<(String, ByteString)> {
    let keys = value(secret, KEY).or_else(|| value(projected, COPY))?;
    Some((COPY.to_owned(), ByteString(keys.into_bytes())))
}

/// Keeps the Secret of a namespace, whatever becomes of it. Nothing removes it: it belongs to the entries in the queue, and these
/// stay with its volume. People add keys to it.
pub(super) async fn keep(
    receiver: &LeadReceiver,
    facts: &Dereferenced,
    context: &Context,
) -> Result<(), ApplyError> {
    let (namespace, _) = name_of(receiver);
    let has_keys = value(facts.ledger.as_deref(), KEY).is_some();
    let known = value(facts.projected.as_deref(), COPY);
    let what = match &known {
        _ if has_keys => None,
        Some(_) => Some("was deleted or emptied and is restored with the same keys"),
        None => facts.rollout.as_ref().map(|_| {
            "was deleted and is made again with another key: earlier entries of the ledger are no longer found by person"
        }),
    };
    let metadata = ObjectMeta {
        name: Some(names::LEDGER.to_owned()),
        namespace: Some(namespace.clone()),
        labels: Some(names::ledger_labels()),
        ..ObjectMeta::default()
    };
    // One that a person restored is taken over.
    let keys = if has_keys {
        String::new()
    } else {
        known.unwrap_or_else(random_key)
    };
    let made = secret(metadata, [(KEY.to_owned(), keys)]);
    if !create_secret(context, &namespace, made.clone(), Some(Ownership::Shared)).await? && !has_keys {
        fill_secret(context, &namespace, &made).await?;
    }
    if let Some(what) = what {
        let note = format!("Secret {} {what}", names::LEDGER);
        events::tell(context, receiver, Reason::SecretRemade, note).await;
    }
    Ok(())
}
