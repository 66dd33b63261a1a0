//! The key that hides whom the entries of the ledger are about: one for a namespace, because its receivers share a queue.

use kube::api::ObjectMeta;
use leadgate_crds::LeadReceiver;

use super::dereference::Dereferenced;
use crate::api_error::ApplyError;
use crate::apply::{create_secret, random_key, secret};
use crate::context::{Context, name_of};
use crate::events;
use crate::names;
use crate::ownership::Ownership;
use crate::reasons::Reason;

/// The key in the Secret.
pub(super) const KEY: &str = "key";

/// Makes the Secret of a namespace, if there is none. Nothing removes it: it belongs to the entries in the queue, and these
/// stay with its volume. It cannot be edited, because what was hashed with one key is not found with another.
pub(super) async fn keep(
    receiver: &LeadReceiver,
    facts: &Dereferenced,
    context: &Context,
) -> Result<(), ApplyError> {
    let (namespace, _) = name_of(receiver);
    let metadata = ObjectMeta {
        name: Some(names::LEDGER.to_owned()),
        namespace: Some(namespace.clone()),
        labels: Some(names::ledger_labels()),
        ..ObjectMeta::default()
    };
    let mut made = secret(metadata, [(KEY.to_owned(), random_key())]);
    made.immutable = Some(true);
    let made = create_secret(context, &namespace, made, Some(Ownership::Shared)).await?;
    if made && facts.rollout.is_some() {
        let note = format!(
            "Secret {} was deleted and is made again with another key: earlier entries of the ledger are no longer found by person",
            names::LEDGER
        );
        events::tell(context, receiver, Reason::SecretRemade, note).await;
    }
    Ok(())
}
