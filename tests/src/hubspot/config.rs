//! How a simulator is set up.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{FaultPlan, PropertySpec};

/// A simulator's set-up. The default has no limits, no lag and no faults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// To be reached from other machines and pods: receivers call those with TLS only.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The token that may read and write.
    pub token: String,
    /// A token that lacks `crm.objects.contacts.write`.
    pub read_only_token: Option<String>,
    /// A token that has expired.
    pub expired_token: Option<String>,
    /// Properties beyond the standard ones.
    pub custom: Vec<PropertySpec>,
    /// The account's request limits.
    pub limits: Limits,
    /// How long a write stays invisible to the search (reports say up to 30 s).
    pub search_lag: Duration,
    /// Whether `batch/upsert` takes `email` as its `idProperty`; HubSpot's own pages disagree.
    pub upsert_by_email: bool,
    /// Whether a contact is found by its further e-mail addresses too (`idProperty=email`); no document says.
    pub found_by_further_address: bool,
    /// Whether the account has `hs_searchable_calculated_phone_number`.
    pub calculated_phone: bool,
    /// Whether one invalid input refuses its whole batch with 400, instead of 207 for the others' sake.
    pub invalid_input_fails_batch: bool,
    /// Seed of everything left to chance.
    pub seed: u64,
    /// The faults to begin with.
    pub faults: FaultPlan,
    /// Requests that were on their way when a Retry-After left are not held against the client for so long.
    pub retry_after_grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            token: "pat-sim-token".into(),
            read_only_token: None,
            expired_token: None,
            custom: Vec::new(),
            limits: Limits::NONE,
            search_lag: Duration::ZERO,
            upsert_by_email: true,
            found_by_further_address: true,
            calculated_phone: true,
            invalid_input_fails_batch: false,
            seed: 1,
            faults: FaultPlan::default(),
            retry_after_grace: Duration::from_millis(100),
        }
    }
}

/// An account's request limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests in any 10 s of one app.
    pub ten_seconds: u32,
    /// Requests since the simulator's start (a day, for its purposes).
    pub daily: u32,
    /// Searches in any second.
    pub searches_per_second: u32,
}

impl Limits {
    /// Practically none.
    pub const NONE: Self = Self {
        ten_seconds: u32::MAX,
        daily: u32::MAX,
        searches_per_second: u32::MAX,
    };
    /// Free and Starter accounts.
    pub const STARTER: Self = Self {
        ten_seconds: 100,
        daily: 250_000,
        searches_per_second: 5,
    };
    /// Professional accounts.
    pub const PROFESSIONAL: Self = Self {
        ten_seconds: 190,
        daily: 625_000,
        searches_per_second: 5,
    };
    /// Enterprise accounts.
    pub const ENTERPRISE: Self = Self {
        ten_seconds: 190,
        daily: 1_000_000,
        searches_per_second: 5,
    };
}
