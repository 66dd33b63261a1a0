//! Salesforce as the fleet's CRM.

use std::collections::BTreeMap;

use super::Crm;
use crate::manifests::SalesforceSink;
use crate::salesforce::{Fault, FaultPlan, Odds, Salesforce};

impl Crm for Salesforce {
    fn sink(&self) -> String {
        SalesforceSink::new(self)
            .yaml()
            .replacen("metadata: {name: salesforce,", "metadata: {name: crm,", 1)
    }

    fn misbehave(&self, on: bool) {
        let odds = |fault, probability| Odds { fault, probability };
        self.set_faults(FaultPlan {
            latency: (1, 5),
            odds: if on {
                vec![
                    odds(Fault::LoseAnswer, 0.01),
                    odds(Fault::error(500, "UNKNOWN_EXCEPTION"), 0.02),
                    odds(
                        Fault::Error {
                            status: 503,
                            code: "SERVER_UNAVAILABLE".into(),
                            retry_after: Some(1),
                        },
                        0.005,
                    ),
                    odds(
                        Fault::Item {
                            code: "UNABLE_TO_LOCK_ROW".into(),
                        },
                        0.02,
                    ),
                    odds(Fault::Expire, 0.002),
                ]
            } else {
                Vec::new()
            },
            ..FaultPlan::default()
        });
    }

    fn records(&self) -> BTreeMap<String, Vec<String>> {
        let mut records: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for lead in self.leads() {
            records
                .entry(lead.get("Email").to_owned())
                .or_default()
                .push(lead.get("LastName").to_owned());
        }
        records
    }

    fn summary(&self) -> String {
        let stats = self.stats();
        format!(
            "{} requests, {} sign-ins, {} answers lost",
            stats.requests_total, stats.sign_ins, stats.lost_answers
        )
    }
}
