//! Jobs as the store keeps them: it knows their ids, not what they do.

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredJob {
    /// Its id.
    pub id: String,
    /// Grows with each change, from 1 on.
    pub version: u64,
    /// What it is.
    pub body: Vec<u8>,
}
