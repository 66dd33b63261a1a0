//! Keyed hashes in the place of unkeyed ones: whoever reads a store and guesses an address cannot tell whether it is there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::queue::{Contact, Content, DedupeKey, LedgerKey, NewLead};

/// What hides contacts, dedupe keys and digests; without a key they stay as they are.
pub(super) struct Hidden(Option<LedgerKey>);

impl Hidden {
    pub(super) fn new(key: Option<LedgerKey>) -> Self {
        Self(key)
    }

    /// What a store is told of a lead.
    pub(super) fn hide(&self, lead: &mut NewLead) {
        let Some(key) = &self.0 else { return };
        lead.contact = Contact::new(text(&key.tag("contact", lead.contact.as_str().as_bytes())));
        lead.dedupe = DedupeKey::new(text(&key.tag("dedupe", lead.dedupe.as_str().as_bytes())));
        let Content { posted, mapped } = lead.content;
        lead.content = Content {
            posted: start(&key.tag("posted", &posted)),
            mapped: start(&key.tag("mapped", &mapped)),
        };
    }

    /// As a store knows a contact.
    pub(super) fn contact(&self, contact: &Contact) -> Contact {
        match &self.0 {
            None => contact.clone(),
            Some(key) => Contact::new(text(&key.tag("contact", contact.as_str().as_bytes()))),
        }
    }
}

/// 128 bits, as 22 characters.
fn text(tag: &hmac::Tag) -> String {
    URL_SAFE_NO_PAD.encode(tag.as_ref().get(..16).unwrap_or_default())
}

fn start(tag: &hmac::Tag) -> [u8; 8] {
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}
