//! The checks of a receiver without Kubernetes, from what it says of itself.

use leadgate_crds::report::Report;

use super::Finding;
use crate::args::Global;
use crate::cluster::Place;
use crate::commands::status::from_report;
use crate::receiver::{Call, Receiver};

pub(crate) async fn check(place: &Place, global: &Global) -> anyhow::Result<Vec<Finding>> {
    let report: Report = Receiver::of(place, global, None)
        .await?
        .call(Call::get("/status"))
        .await?;
    let mut findings = Vec::new();
    findings.push(if report.loaded {
        Finding::fine(
            "manifests",
            format!("{} webhooks, {} sinks", report.webhooks.len(), report.sinks.len()),
        )
    } else {
        Finding::wrong(
            "manifests",
            "NotLoaded",
            "the receiver has not read its manifests yet",
        )
    });
    for problem in &report.problems {
        let name = if problem.object.is_empty() {
            &problem.file
        } else {
            &problem.object
        };
        findings.push(Finding::wrong(
            format!("manifest {name}"),
            "Invalid",
            &problem.message,
        ));
    }
    for warning in &report.warnings {
        findings.push(Finding::warning(
            format!("manifest {}", warning.object),
            "Warning",
            &warning.message,
        ));
    }
    let queue = &report.queue;
    findings.push(if queue.ready && queue.problems.is_empty() {
        Finding::fine("queue", queue.durability.as_deref().unwrap_or_default())
    } else {
        Finding::wrong(
            "queue",
            if queue.ready { "NotDurable" } else { "NotReady" },
            queue.problems.join("; "),
        )
    });
    for webhook in report.webhooks.iter().filter(|webhook| webhook.suspended) {
        let message = "spec.suspend is true: requests are answered with 503";
        findings.push(Finding::warning(
            format!("LeadWebhook {}", webhook.name),
            "Suspended",
            message,
        ));
    }
    for sink in &report.sinks {
        findings.push(Finding::new(format!("CrmSink {}", sink.name), from_report(sink)));
    }
    Ok(findings)
}
