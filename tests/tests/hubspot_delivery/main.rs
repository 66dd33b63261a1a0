//! What becomes of leads at HubSpot: batches, matching, preflight, limits. The receiver is the real process, HubSpot a
//! simulator that HubSpot's own SDK referees.

mod audit;
mod batches;
mod matching;
mod outages;
mod poison;
mod preflight;
mod refused;

use futures::stream::{self, StreamExt as _};
use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

/// Posts many leads while the sink is suspended, then lets go: a backlog.
async fn backlog(rig: &mut Rig, leads: &[Value]) {
    {
        let rig = &*rig;
        // In their order: what one contact sends must not overtake itself.
        stream::iter(leads)
            .map(|lead| async move {
                let answer = rig.post(lead).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
            })
            .buffered(if leads.len() > 1000 { 32 } else { 1 })
            .collect::<Vec<()>>()
            .await;
    }
    rig.change_sink(|sink| sink.suspend = false);
}

fn lead(name: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "firstName": name, "submissionId": name})
}

/// Requests of the CRM's statistics whose name starts so.
fn requests(rig: &Rig, prefix: &str) -> u64 {
    rig.hubspot
        .stats()
        .requests
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(_, count)| count)
        .sum()
}

/// Waits until nothing is pending any more.
async fn drained(rig: &Rig) {
    rig.until("nothing is pending", || async {
        rig.sink_status().await["leads"]["pending"] == 0
    })
    .await;
}
