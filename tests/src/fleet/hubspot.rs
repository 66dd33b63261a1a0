//! HubSpot as the fleet's CRM.

use std::collections::BTreeMap;

use super::Crm;
use crate::hubspot::{Fault, FaultPlan, HubSpot, Millis, Odds};
use crate::manifests::HubSpotSink;

impl Crm for HubSpot {
    fn sink(&self) -> String {
        let sink = HubSpotSink::new(self.base_url(), self.token());
        sink.yaml().replacen("name: hubspot,", "name: crm,", 1)
    }

    fn misbehave(&self, on: bool) {
        let odds = |fault, probability| Odds { fault, probability };
        let status = |code, retry_after| Fault::Status {
            code,
            retry_after,
            policy: None,
        };
        self.set_faults(FaultPlan {
            latency: Millis::range(1, 5),
            odds: if on {
                vec![
                    odds(Fault::LoseAnswer, 0.01),
                    odds(status(500, None), 0.02),
                    odds(status(429, Some(1)), 0.005),
                ]
            } else {
                Vec::new()
            },
            ..FaultPlan::default()
        });
    }

    fn records(&self) -> BTreeMap<String, Vec<String>> {
        let mut records: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for contact in self.contacts() {
            records
                .entry(contact.get("email").to_owned())
                .or_default()
                .push(contact.get("lastname").to_owned());
        }
        records
    }

    fn summary(&self) -> String {
        let stats = self.stats();
        format!(
            "{} requests, {} answers lost, {} before a Retry-After had passed, {} racing writes",
            stats.total, stats.lost_answers, stats.before_retry_after, stats.concurrent_writes
        )
    }
}
