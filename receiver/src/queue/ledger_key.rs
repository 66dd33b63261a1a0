//! The keys that hide whom the ledger's entries are about.
//!
//! There may be several: new entries are hashed with one of them, and people are looked for with all. What is hidden besides,
//! contacts, dedupe keys and what jobs were asked for, is hashed with the oldest: with another key, the leads of a person would
//! lose their order, and resends would not be known.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::Identity;

/// Stands before the hash of an address or number that is besides the person's own.
pub(super) const BESIDES: &str = "~";

/// Stands before a hash with another key than the one that new entries are hashed with.
const FORMER: &str = "^";

/// The least that a key must have, in bytes.
const SHORTEST: usize = 16;

/// The keys that hide who an entry is about. Whoever has one and knows an address can find the person's leads; nobody can read
/// an address. Copies follow when they are renewed.
#[derive(Clone)]
pub struct LedgerKey {
    ring: Arc<RwLock<Arc<Ring>>>,
    /// The oldest key.
    identity: hmac::Key,
}

struct Ring {
    /// The newest last.
    keys: Vec<hmac::Key>,
    /// Which one new entries are hashed with.
    writes: usize,
}

impl LedgerKey {
    /// Of at least 16 secret bytes.
    pub fn new(secret: &[u8]) -> Option<Self> {
        Self::of(&[secret])
    }

    /// Of several, the newest last. `None`: there is none, or one is too short.
    pub fn of(secrets: &[impl AsRef<[u8]>]) -> Option<Self> {
        let keys = keys(secrets)?;
        Some(Self {
            identity: keys.first()?.clone(),
            ring: Arc::new(RwLock::new(Arc::new(Ring {
                writes: keys.len().checked_sub(1)?,
                keys,
            }))),
        })
    }

    /// Takes other keys into use. New entries are hashed with the newest one, or, while that `waits`, with the same as before.
    /// `None`: there is none, or one is too short, and nothing has changed.
    pub fn renew(&self, secrets: &[impl AsRef<[u8]>], waits: bool) -> Option<()> {
        let keys = keys(secrets)?;
        let newest = keys.len().checked_sub(1)?;
        let before = self.now();
        let former = before.keys.get(before.writes).map(check_value);
        let same = keys.iter().position(|key| Some(check_value(key)) == former);
        let writes = same.filter(|_| waits).unwrap_or(newest);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ring { keys, writes });
        Some(())
    }

    fn now(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What tells the keys from others, the newest last, and which of them new entries are hashed with.
    pub fn ids(&self) -> (Vec<String>, Option<String>) {
        let ring = self.now();
        let ids = ring.keys.iter().map(check_value).collect();
        (ids, ring.keys.get(ring.writes).map(check_value))
    }

    /// The keyed hash of something that is no identity: `what` tells the kinds apart.
    pub(super) fn tag(&self, what: &str, of: &[u8]) -> hmac::Tag {
        tag(&self.identity, what, of)
    }

    /// What a store is marked with: the key of its newest entries and, if it is another one, that of its contacts.
    pub(super) fn mark(&self) -> String {
        let identity = check_value(&self.identity);
        match self.ids() {
            (_, Some(writes)) if writes != identity => format!("{writes} {identity}"),
            _ => identity,
        }
    }

    /// 64 bits of the keyed hash, as 11 characters, with the key of new entries.
    pub(super) fn hash(&self, identity: &Identity) -> String {
        let ring = self.now();
        ring.keys
            .get(ring.writes)
            .map(|key| hash(key, identity))
            .unwrap_or_default()
    }

    /// The hashes with all keys, that of new entries first.
    pub(super) fn hashes(&self, identity: &Identity) -> Vec<String> {
        let ring = self.now();
        let others = ring.keys.iter().enumerate().rev();
        let others = others.filter(|(at, _)| *at != ring.writes).map(|(_, key)| key);
        let all = ring.keys.get(ring.writes).into_iter().chain(others);
        all.map(|key| hash(key, identity)).collect()
    }

    /// Those of all, with commas.
    pub(super) fn people(&self, people: &[Identity]) -> String {
        let hashes: Vec<String> = people.iter().map(|person| self.entered(person)).collect();
        hashes.join(",")
    }

    /// The same with the hashes of the other keys, marked.
    pub(super) fn offered(&self, people: &[Identity]) -> String {
        let mut offered = self.people(people);
        if self.now().keys.len() > 1 {
            for former in people
                .iter()
                .flat_map(|person| self.hashes(person).into_iter().skip(1))
            {
                offered.push_str(&format!(",{FORMER}{former}"));
            }
        }
        offered
    }

    /// As an entry holds it.
    pub(super) fn entered(&self, person: &Identity) -> String {
        let mark = if person.is_besides() { BESIDES } else { "" };
        format!("{mark}{}", self.hash(person))
    }
}

fn keys(secrets: &[impl AsRef<[u8]>]) -> Option<Vec<hmac::Key>> {
    let long = secrets.iter().all(|secret| secret.as_ref().len() >= SHORTEST);
    let key = |secret: &_| hmac::Key::new(hmac::HMAC_SHA256, AsRef::<[u8]>::as_ref(secret));
    (long && !secrets.is_empty()).then(|| secrets.iter().map(key).collect())
}

fn tag(key: &hmac::Key, what: &str, of: &[u8]) -> hmac::Tag {
    let mut hash = hmac::Context::with_key(key);
    hash.update(what.as_bytes());
    hash.update(b"\0");
    hash.update(of);
    hash.sign()
}

/// What tells a key from others, and nothing else of it.
fn check_value(key: &hmac::Key) -> String {
    let tag = tag(key, "check", b"");
    URL_SAFE_NO_PAD.encode(tag.as_ref().get(..12).unwrap_or_default())
}

fn hash(key: &hmac::Key, identity: &Identity) -> String {
    let mut hash = hmac::Context::with_key(key);
    let [kind, value] = identity.parts();
    hash.update(kind);
    hash.update(b":");
    hash.update(value);
    let tag = hash.sign();
    URL_SAFE_NO_PAD.encode(tag.as_ref().get(..8).unwrap_or_default())
}

/// The keys that a mark names: that of the newest entries, and that of the contacts.
fn named(mark: &str) -> (&str, &str) {
    mark.split_once(' ').unwrap_or((mark, mark))
}

/// Why a store is not used whose entries were made with another key, or without this one: the people of its entries, who is
/// suppressed and which submissions are known would not be recognised, and nobody would notice.
pub(super) fn is_another(key: Option<&LedgerKey>, of_store: &str) -> Option<String> {
    let (newest, identity) = named(of_store);
    let what = match key {
        None => "there is none",
        Some(key) if !key.ids().0.iter().any(|id| id == newest) => "this is another one",
        Some(key) if check_value(&key.identity) != identity => "its oldest one is not the first",
        Some(_) => return None,
    };
    Some(format!(
        "its ledger was written with a ledger key, and {what}: suppressed people, resends and searches would not be recognised. Put \
         the key back (--ledger-key-file; for sqlite:FILE, FILE.ledger-key)"
    ))
}

/// What a store is to be marked with, if new entries are hashed with a newer key by now than its mark says.
pub(super) fn moved(key: &LedgerKey, of_store: &str) -> Option<String> {
    let (newest, _) = named(of_store);
    let (ids, writes) = key.ids();
    let place = |id: &str| ids.iter().position(|known| known == id);
    (place(newest)? < place(&writes?)?).then(|| key.mark())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OLD: &str = "the old one, 16 and more";
    const NEW: &str = "the new one, 16 and more";

    fn ada() -> Identity {
        Identity::email("ada@example.com")
    }

    #[test]
    fn new_entries_have_the_newest_key_and_people_are_found_with_all() {
        let (old, both) = (
            LedgerKey::of(&[OLD]).unwrap(),
            LedgerKey::of(&[OLD, NEW]).unwrap(),
        );
        assert_ne!(old.hash(&ada()), both.hash(&ada()));
        assert_eq!(both.hashes(&ada()), [both.hash(&ada()), old.hash(&ada())]);
        assert_eq!(both.people(&[ada()]), both.hash(&ada()));
        assert_eq!(
            both.offered(&[ada()]),
            format!("{},^{}", both.hash(&ada()), old.hash(&ada()))
        );
        assert_eq!(old.offered(&[ada()]), old.people(&[ada()]));
    }

    #[test]
    fn what_orders_and_recognises_leads_stays_with_the_oldest_key() {
        let (old, both) = (
            LedgerKey::of(&[OLD]).unwrap(),
            LedgerKey::of(&[OLD, NEW]).unwrap(),
        );
        let tag = |key: &LedgerKey| key.tag("contact", b"c").as_ref().to_vec();
        assert_eq!(tag(&old), tag(&both));
        old.renew(&[NEW], false).unwrap();
        assert_eq!(tag(&old), tag(&both));
    }

    #[test]
    fn a_key_that_waits_is_known_to_every_copy_and_not_used_yet() {
        let key = LedgerKey::of(&[OLD]).unwrap();
        let (copy, before) = (key.clone(), key.hash(&ada()));
        key.renew(&[OLD, NEW], true).unwrap();
        assert_eq!(
            (copy.hash(&ada()), copy.hashes(&ada()).len()),
            (before.clone(), 2)
        );
        key.renew(&[OLD, NEW], false).unwrap();
        assert_ne!(copy.hash(&ada()), before);
        assert!(key.renew(&["too short"], false).is_none());
        assert!(LedgerKey::of(&[""; 0]).is_none());
    }

    #[test]
    fn a_store_is_used_with_its_key_among_others_and_its_mark_moves_forward() {
        let of = |secrets: &[&str]| LedgerKey::of(secrets).unwrap();
        let (old, new) = (of(&[OLD]).mark(), of(&[OLD, NEW]).mark());
        for (case, secrets, mark, accepted, moves) in [
            ("the same", &[OLD][..], &old, true, false),
            ("a newer one", &[OLD, NEW][..], &old, true, true),
            ("which it has by now", &[OLD, NEW][..], &new, true, false),
            ("another one", &[NEW][..], &old, false, false),
            ("one that has not come yet", &[OLD][..], &new, false, false),
            ("the oldest is gone", &[NEW][..], &new, false, false),
            ("the oldest is not the first", &[NEW, OLD][..], &new, false, true),
        ] {
            let key = of(secrets);
            assert_eq!(is_another(Some(&key), mark).is_none(), accepted, "{case}");
            assert_eq!(moved(&key, mark).is_some(), moves, "{case}");
        }
        assert!(is_another(None, &old).is_some());
    }
}
