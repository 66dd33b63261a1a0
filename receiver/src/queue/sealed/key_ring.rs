//! The keys that seal what a store holds, and what a sealed record looks like.
//!
//! A record is a mark, the id of its key, a salt and what AES-256-GCM made of the contents. Each record has a key of its own,
//! derived from the key of its period and the salt (HKDF-SHA-256): no two records share a nonce, however many there are.
//! The additional data names the lead, its webhook and what the record is of it, so that no record can stand in for another.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{self, HKDF_SHA256, Prk, Salt};

/// What a sealed record begins with: no JSON does.
const MARK: &[u8] = b"\0LG1";

/// What a sealed text begins with.
const TEXT_MARK: &str = "\u{1}LG1";

const ID: usize = 8;
const SALT: usize = 16;
const TAG: usize = 16;

/// The least that a key must have, in bytes.
const SHORTEST: usize = 32;

/// A key, as people name it: what cannot be opened says which one it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; ID]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The key of a period.
#[derive(Clone)]
pub struct SealKey {
    id: KeyId,
    root: Prk,
}

impl SealKey {
    /// Of at least 32 secret bytes.
    pub fn new(secret: &[u8]) -> Option<Self> {
        if secret.len() < SHORTEST {
            return None;
        }
        let root = Salt::new(HKDF_SHA256, b"leadgate encryption at rest 1").extract(secret);
        let mut id = [0; 32];
        root.expand(&[b"id"], HKDF_SHA256).ok()?.fill(&mut id).ok()?;
        let id = id.first_chunk().copied()?;
        Some(Self { id: KeyId(id), root })
    }

    /// What tells it from others; nothing about the key follows from it.
    pub fn id(&self) -> KeyId {
        self.id
    }

    fn of_record(&self, salt: &[u8]) -> Option<LessSafeKey> {
        let info = [b"record", salt];
        let derived: hkdf::Okm<'_, _> = self.root.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(derived)))
    }
}

/// What a record is of: the lead and its webhook, and which part of it.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) id: &'a str,
    pub(super) webhook: &'a str,
    pub(super) part: &'static str,
}

impl Of<'_> {
    fn additional_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.part.len() + self.id.len() + self.webhook.len() + 2);
        for part in [self.part, self.id] {
            data.extend_from_slice(part.as_bytes());
            data.push(0);
        }
        data.extend_from_slice(self.webhook.as_bytes());
        data
    }
}

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// Its key is not here.
    KeyMissing(KeyId),
    /// It was altered, or belongs to another lead.
    Broken,
}

/// The keys of a process: the last one seals, all of them open.
#[derive(Clone, Default)]
pub struct KeyRing {
    keys: Vec<SealKey>,
    seals: Option<usize>,
}

impl KeyRing {
    /// Of keys of which the last one is the newest. Without any, nothing is sealed.
    pub fn new(keys: Vec<SealKey>) -> Self {
        Self {
            seals: keys.len().checked_sub(1),
            keys,
        }
    }

    /// The same keys, of which another one seals; `None`: it is not among them.
    #[must_use]
    pub fn sealing_with(mut self, id: KeyId) -> Option<Self> {
        self.seals = Some(self.keys.iter().position(|key| key.id == id)?);
        Some(self)
    }

    /// Which one seals.
    pub fn sealing(&self) -> Option<KeyId> {
        self.seals.and_then(|at| self.keys.get(at)).map(SealKey::id)
    }

    /// All of them, the newest last.
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(SealKey::id).collect()
    }

    fn seal(&self, contents: &[u8], of: Of<'_>) -> Option<Vec<u8>> {
        let key = self.seals.and_then(|at| self.keys.get(at))?;
        let salt: [u8; SALT] = rand::random();
        let mut record = Vec::with_capacity(MARK.len() + ID + SALT + contents.len() + TAG);
        for part in [MARK, &key.id.0, &salt, contents] {
            record.extend_from_slice(part);
        }
        let contents = record.get_mut(MARK.len() + ID + SALT..)?;
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let aad = Aad::from(of.additional_data());
        let tag = key
            .of_record(&salt)?
            .seal_in_place_separate_tag(nonce, aad, contents)
            .ok()?;
        record.extend_from_slice(tag.as_ref());
        Some(record)
    }

    /// What a record holds; `None`: it is not sealed.
    fn open(&self, record: &[u8], of: Of<'_>) -> Option<Result<Vec<u8>, Closed>> {
        let rest = record.strip_prefix(MARK)?;
        let (id, rest) = rest.split_first_chunk::<ID>()?;
        let (salt, rest) = rest.split_first_chunk::<SALT>()?;
        let Some(key) = self.keys.iter().find(|key| key.id.0 == *id) else {
            return Some(Err(Closed::KeyMissing(KeyId(*id))));
        };
        let open = || {
            let mut contents = rest.to_vec();
            let nonce = Nonce::assume_unique_for_key([0; 12]);
            let aad = Aad::from(of.additional_data());
            let length = key
                .of_record(salt)?
                .open_in_place(nonce, aad, &mut contents)
                .ok()?
                .len();
            contents.truncate(length);
            Some(contents)
        };
        Some(open().ok_or(Closed::Broken))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// The keys, which may change while they are in use.
#[derive(Clone, Default, Debug)]
pub struct Seals(Arc<RwLock<Arc<KeyRing>>>);

impl Seals {
    /// With these keys.
    pub fn new(keys: KeyRing) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(keys))))
    }

    /// Takes other keys into use.
    pub fn renew(&self, keys: KeyRing) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// The keys in use.
    pub fn now(&self) -> Arc<KeyRing> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals a record; without a key it stays as it is.
    pub(super) fn seal(&self, contents: &[u8], of: Of<'_>) -> Option<Vec<u8>> {
        self.now().seal(contents, of)
    }

    /// Opens a record; what is not sealed is as it is.
    pub(super) fn open(&self, record: &[u8], of: Of<'_>) -> Option<Result<Vec<u8>, Closed>> {
        self.now().open(record, of)
    }

    /// The same of a text. An empty one says nothing, and stays.
    pub(super) fn seal_text(&self, text: &mut String, of: Of<'_>) {
        if text.is_empty() {
            return;
        }
        if let Some(record) = self.seal(text.as_bytes(), of) {
            *text = format!("{TEXT_MARK}{}", URL_SAFE_NO_PAD.encode(record));
        }
    }

    /// Opens a text in place; one that cannot be opened says so. `false`: its key is not here.
    pub(super) fn open_text(&self, text: &mut String, of: Of<'_>) -> bool {
        let Some(encoded) = text.strip_prefix(TEXT_MARK) else {
            return true;
        };
        let record = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
        let opened = self.open(&record, of);
        let is_here = !matches!(opened, Some(Err(Closed::KeyMissing(_))));
        *text = match opened {
            Some(Ok(contents)) => String::from_utf8_lossy(&contents).into_owned(),
            Some(Err(Closed::KeyMissing(key))) => missing(key),
            Some(Err(Closed::Broken)) | None => "(sealed, and altered since)".to_owned(),
        };
        is_here
    }
}

/// What stands in the place of something whose key is not here.
pub(super) fn missing(key: KeyId) -> String {
    format!("sealed with the key {key}, which is not among the encryption keys; add it again")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OF: Of<'_> = Of {
        id: "01A",
        webhook: "default/site",
        part: "body",
    };

    fn key(byte: u8) -> SealKey {
        SealKey::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_alone() {
        let ring = KeyRing::new(vec![key(1), key(2)]);
        let sealed = ring.seal(b"ada@example.com", OF).unwrap();
        assert!(!sealed.windows(3).any(|part| part == b"ada"));
        assert_eq!(ring.open(&sealed, OF), Some(Ok(b"ada@example.com".to_vec())));
        let older = KeyRing::new(vec![key(2), key(3)]);
        assert_eq!(older.open(&sealed, OF), Some(Ok(b"ada@example.com".to_vec())));
        let without = KeyRing::new(vec![key(1)]);
        assert_eq!(
            without.open(&sealed, OF),
            Some(Err(Closed::KeyMissing(key(2).id())))
        );
    }

    #[test]
    fn no_two_records_are_alike() {
        let ring = KeyRing::new(vec![key(1)]);
        assert_ne!(ring.seal(b"ada", OF), ring.seal(b"ada", OF));
    }

    #[test]
    fn what_was_altered_or_moved_does_not_open() {
        let ring = KeyRing::new(vec![key(1)]);
        let sealed = ring.seal(b"ada", OF).unwrap();
        for other in [
            Of { id: "01B", ..OF },
            Of {
                webhook: "default/other",
                ..OF
            },
            Of { part: "answer", ..OF },
        ] {
            assert_eq!(ring.open(&sealed, other), Some(Err(Closed::Broken)));
        }
        for at in MARK.len() + ID..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(ring.open(&altered, OF), Some(Err(Closed::Broken)), "{at}");
        }
    }

    #[test]
    fn what_is_not_sealed_stays() {
        let ring = KeyRing::new(vec![key(1)]);
        assert_eq!(ring.open(b"{\"lead\":{}}", OF), None);
        let seals = Seals::new(ring);
        for text in ["", "InvalidEmail"] {
            let mut same = text.to_owned();
            seals.open_text(&mut same, OF);
            assert_eq!(same, text);
        }
    }

    #[test]
    fn texts_go_both_ways() {
        let seals = Seals::new(KeyRing::new(vec![key(1)]));
        let mut text = "jürgen@example.com is taken".to_owned();
        seals.seal_text(&mut text, OF);
        assert!(!text.contains("example"), "{text}");
        let sealed = text.clone();
        seals.open_text(&mut text, OF);
        assert_eq!(text, "jürgen@example.com is taken");
        seals.renew(KeyRing::new(vec![key(2)]));
        text = sealed;
        seals.open_text(&mut text, OF);
        assert!(text.contains(&key(1).id().to_string()), "{text}");
    }

    #[test]
    fn a_short_key_is_none() {
        assert!(SealKey::new(&[1; 31]).is_none());
    }
}
