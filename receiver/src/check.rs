//! `leadgate-receiver check`: everything that is wrong with a folder of manifests, before anything runs.

use std::fmt::Write as _;

use serde_json::json;

use crate::cli::OutputFormat;
use crate::config::{Config, Problem};

/// What to print, and whether the manifests can run. Everything goes to one stream, so that a pipe keeps the order.
pub fn report(config: &Config, format: OutputFormat) -> (String, bool) {
    let errors = config.problems.len();
    let problems = || config.problems.iter().chain(&config.warnings);
    let (webhooks, sinks) = (config.webhooks().count(), config.sinks().count());
    let receivers = config.receivers();
    let text = match format {
        OutputFormat::Json => {
            let report = json!({
                "valid": errors == 0,
                "leadWebhooks": webhooks,
                "crmSinks": sinks,
                "leadReceivers": receivers,
                "problems": problems().map(Problem::report).collect::<Vec<_>>(),
            });
            format!("{report:#}\n")
        }
        OutputFormat::Text => {
            let mut text = String::new();
            for problem in problems() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{problem}");
            }
            let warnings = match config.warnings.len() {
                0 => String::new(),
                n => format!(", {}", count(n, "warning")),
            };
            let verdict = if errors == 0 {
                let verb = if webhooks + sinks + receivers == 1 {
                    "is"
                } else {
                    "are"
                };
                let (webhooks, sinks) = (count(webhooks, "LeadWebhook"), count(sinks, "CrmSink"));
                // Most folders have none.
                match receivers {
                    0 => format!("{webhooks} and {sinks} {verb} valid"),
                    n => format!(
                        "{webhooks}, {sinks} and {} {verb} valid",
                        count(n, "LeadReceiver")
                    ),
                }
            } else {
                count(errors, "error")
            };
            let _ = writeln!(text, "{verdict}{warnings}");
            text
        }
    };
    (text, errors == 0)
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}
