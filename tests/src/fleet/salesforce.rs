//! Salesforce as the fleet's CRM.

use std::collections::BTreeMap;

use super::Crm;
use crate::manifests::SalesforceSink;
use crate::salesforce::{Fault, FaultPlan, Odds, Salesforce};

impl Crm for Salesforce {
    fn sink(&self) -> String {
        let mut sink = SalesforceSink::new(self);
        sink.external_id = "{field: Webhook_Submission_ID__c, value: payload.submissionId}".into();
        sink.yaml().replacen("name: salesforce,", "name: crm,", 1)
    }

    fn misbehave(&self, on: bool) {
        let odds = |fault, probability| Odds { fault, probability };
        self.set_faults(FaultPlan {
            latency: (1, 5),
            odds: if on {
                vec![
                    odds(Fault::LoseAnswer, 0.01),
                    odds(Fault::error(500, "UNKNOWN_EXCEPTION"), 0.02),
                    odds(Fault::error(400, "UNABLE_TO_LOCK_ROW"), 0.02),
                    odds(
                        Fault::Item {
                            code: "UNABLE_TO_LOCK_ROW".into(),
                        },
                        0.02,
                    ),
                    odds(Fault::Expire, 0.01),
                    odds(
                        Fault::Error {
                            status: 429,
                            code: String::new(),
                            retry_after: Some(1),
                        },
                        0.005,
                    ),
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
                .entry(lead.get("Email").to_lowercase())
                .or_default()
                .push(lead.get("LastName").to_owned());
        }
        records
    }

    fn summary(&self) -> String {
        let stats = self.stats();
        format!(
            "{} requests, {} collections, {} answers lost, {} sign-ins",
            stats.requests_total,
            stats.collections.len(),
            stats.lost_answers,
            stats.sign_ins
        )
    }
}
