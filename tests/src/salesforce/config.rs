//! How a simulator is set up.

use std::net::SocketAddr;

use super::FaultPlan;

/// A simulator's set-up. The default has no duplicate rule, no limit and no faults, and two fields beyond the standard
/// ones: `Webhook_Submission_ID__c` (external id, unique) and `Topics__c`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The connected app's consumer key.
    pub client_id: String,
    /// Its consumer secret.
    pub client_secret: String,
    /// The user of the JWT bearer flow.
    pub username: String,
    /// The audience that assertions must name.
    pub audience: String,
    /// The RSA public key (PKCS#1, DER) of the app's certificate; `None`: no JWT is taken.
    pub public_key: Option<Vec<u8>>,
    /// The refresh token.
    pub refresh_token: String,
    /// Fields of Lead beyond the standard ones.
    pub custom: Vec<FieldSpec>,
    /// What the duplicate rule does; `None`: there is none, and nothing but the client prevents second records.
    pub duplicate_rule: Option<DuplicateRule>,
    /// Whether a Lead needs a Company (it does unless person accounts are on).
    pub company_required: bool,
    /// API requests that the organisation has, from the start of the simulator on (a day, for its purposes).
    pub daily_limit: u64,
    /// Whether a field that does not exist refuses a whole collection instead of its record.
    pub unknown_field_fails_collection: bool,
    /// Records of a collection from which on a trigger exceeds its limits: then each of them fails. `None`: none do.
    pub trigger_limit: Option<usize>,
    /// Whether there are collections; some gateways before Salesforce know no such path.
    pub collections: bool,
    /// What a firewall between client and Salesforce blocks, with a page, when a request's body contains it.
    pub blocks: Option<String>,
    /// Whether a collection's result names the duplicates, as a single call's does.
    pub duplicates_named_in_collections: bool,
    /// Seed of everything left to chance.
    pub seed: u64,
    /// The faults to begin with.
    pub faults: FaultPlan,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            client_id: "3MVG9sim".into(),
            client_secret: "sim-consumer-secret".into(),
            username: "leadgate@example.com".into(),
            audience: "https://login.salesforce.com".into(),
            public_key: None,
            refresh_token: "5Aep861sim".into(),
            custom: vec![
                FieldSpec::text("Webhook_Submission_ID__c").external(true),
                FieldSpec::text("Topics__c"),
            ],
            duplicate_rule: None,
            company_required: true,
            daily_limit: 10_000_000,
            unknown_field_fails_collection: true,
            trigger_limit: None,
            collections: true,
            blocks: None,
            duplicates_named_in_collections: false,
            seed: 1,
            faults: FaultPlan::default(),
        }
    }
}

/// What happens when a Lead with the same e-mail address, or the same digits of a phone number, is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateRule {
    /// An alert: saved with `Sforce-Duplicate-Rule-Header: allowSave=true`, refused without.
    Alert,
    /// Always refused.
    Block,
}

/// A field of Lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    /// Its API name.
    pub name: String,
    /// `string`, `email`, `phone`, `picklist`, `boolean`, `datetime`, …, as a describe writes it.
    pub kind: &'static str,
    /// Of its texts, in characters.
    pub length: usize,
    /// Whether records can be created without it.
    pub nillable: bool,
    /// Whether it can be written.
    pub writable: bool,
    /// Whether it is an external id.
    pub external: bool,
    /// Whether no two records may have the same value.
    pub unique: bool,
    /// Of a restricted picklist: all values there are.
    pub options: Vec<String>,
}

impl FieldSpec {
    /// An optional text of up to 255 characters.
    pub fn text(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: "string",
            length: 255,
            nillable: true,
            writable: true,
            external: false,
            unique: false,
            options: Vec::new(),
        }
    }

    /// The same as an external id.
    #[must_use]
    pub fn external(mut self, unique: bool) -> Self {
        self.external = true;
        self.unique = unique;
        self
    }

    /// The same as a restricted picklist.
    #[must_use]
    pub fn picklist(mut self, options: &[&str]) -> Self {
        self.kind = "picklist";
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
        self
    }
}
