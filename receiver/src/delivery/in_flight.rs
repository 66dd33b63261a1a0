//! The claims that this worker holds: renewed together, given up one by one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::queue::{Contact, Token};

/// Claims under way.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<Contact, (Token, CancellationToken)>>);

impl InFlight {
    /// Adds a claim; `lost` is cancelled when the claim is lost.
    pub(super) fn begin(&self, contact: Contact, token: Token, lost: CancellationToken) {
        self.lock().insert(contact, (token, lost));
    }

    /// Removes a claim.
    pub(super) fn end(&self, contact: &Contact) {
        self.lock().remove(contact);
    }

    /// All claims.
    pub(super) fn all(&self) -> Vec<(Contact, Token)> {
        self.lock()
            .iter()
            .map(|(contact, (token, _))| (contact.clone(), *token))
            .collect()
    }

    /// Tells a claim's attempt that another worker has the lead now.
    pub(super) fn lost(&self, contact: &Contact, token: Token) {
        if let Some((held, lost)) = self.lock().get(contact)
            && *held == token
        {
            lost.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Contact, (Token, CancellationToken)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
