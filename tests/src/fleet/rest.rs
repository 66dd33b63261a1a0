//! Pipedrive as the fleet's CRM, by the example's manifest: it has no upsert, makes duplicates unasked, and its search lags.

use std::collections::BTreeMap;
use std::path::Path;

use super::Crm;
use crate::rest_crms;

/// The stand-in's token.
pub const TOKEN: &str = "fleet-token";

impl Crm for rest_crms::Crm {
    fn sink(&self) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/crms/pipedrive.yaml");
        let mut sink = std::fs::read_to_string(file).unwrap();
        for (from, to) in [
            ("https://api.pipedrive.com", self.url().as_str()),
            ("replace-me", TOKEN),
            ("metadata: {name: pipedrive}\nspec", "metadata: {name: crm}\nspec"),
            ("lag: 30s", "lag: 2s"),
            (
                "rateLimit: {requests: 20, per: 2s}",
                "rateLimit: {requests: 100000, per: 10s}\n    timeout: 2s\n    retry: {initialBackoff: 100ms, maxBackoff: 2s}\n    circuitBreaker: {failures: 5, cooldown: 1s}",
            ),
        ] {
            assert!(sink.contains(from), "the example has no `{from}`");
            sink = sink.replacen(from, to, 1);
        }
        sink
    }

    fn misbehave(&self, on: bool) {
        self.fails_every(if on { 30 } else { 0 });
    }

    fn records(&self) -> BTreeMap<String, Vec<String>> {
        let mut records: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in self.records() {
            let last = record.name.rsplit(' ').next().unwrap_or_default().to_owned();
            records.entry(record.email).or_default().push(last);
        }
        records
    }

    fn summary(&self) -> String {
        format!("{} requests", self.requests().len())
    }
}
