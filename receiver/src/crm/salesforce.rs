//! Salesforce.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Crm, Gate, Inspection, Outcome, Upsert};

/// The CRM's own fields, for sinks without `properties`.
pub const STANDARD_PROPERTIES: &[(&str, &str)] = &[];

/// What the sink says.
#[derive(Debug, Clone)]
pub struct Settings {}

/// The CRM.
pub struct Salesforce {}

impl Salesforce {
    /// An account, over a shared HTTP client.
    pub fn new(_settings: Arc<Settings>, _client: reqwest::Client) -> Self {
        Self {}
    }
}

#[async_trait]
impl Crm for Salesforce {
    async fn upsert(&self, _batch: Vec<Upsert>, _gate: &dyn Gate) -> Vec<Outcome> {
        Vec::new()
    }

    fn max_batch(&self) -> usize {
        1
    }

    async fn inspect(&self, _properties: &[&str], _gate: &dyn Gate) -> Inspection {
        Inspection::default()
    }
}
