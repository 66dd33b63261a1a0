//! The ledger's reckoning: an entry for each acknowledged lead, which ends with one delivery, and no entry for anything else.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::sender::Sent;
use crate::receiver::Receiver;

/// What the ledger has: the accepted leads, and how often the story of each says that it was delivered.
pub(super) async fn read(receiver: &Receiver) -> Result<BTreeMap<String, usize>> {
    let client = reqwest::Client::new();
    let api = format!("http://{}/api/v1/leads", receiver.admin_address());
    let (mut stories, mut after) = (BTreeMap::new(), Value::Null);
    loop {
        let search = json!({"filter": {"outcome": "Accepted"}, "limit": 1000, "after": after});
        let response = client.post(format!("{api}/search")).json(&search).send().await?;
        let page: Value = response.error_for_status()?.json().await?;
        for lead in page["items"].as_array().context("items")? {
            let id = lead["id"].as_str().context("an id")?;
            let story: Value = client.get(format!("{api}/{id}")).send().await?.json().await?;
            let events = story["events"].as_array().context("events")?;
            let deliveries = events.iter().filter(|event| event["event"] == "Delivered");
            let is_new = stories.insert(id.to_owned(), deliveries.count()).is_none();
            ensure!(is_new, "{id} is listed twice");
        }
        after = page["next"].clone();
        if after.is_null() {
            return Ok(stories);
        }
    }
}

/// What is wrong with it.
pub(super) fn judge(sent: &[Sent], stories: &BTreeMap<String, usize>) -> Vec<String> {
    let acknowledged: BTreeSet<&str> = sent
        .iter()
        .flat_map(|sender| sender.ids.iter().map(String::as_str))
        .collect();
    let mut broken = Vec::new();
    for id in &acknowledged {
        match stories.get(*id) {
            Some(1) => {}
            Some(times) => broken.push(format!("the story of {id} has {times} deliveries")),
            None => broken.push(format!("the ledger has no entry of {id}, which was acknowledged")),
        }
    }
    let others = stories.keys().filter(|id| !acknowledged.contains(id.as_str()));
    broken.extend(others.map(|id| format!("the ledger has {id}, which no sender was told of")));
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_a_surplus_and_a_repeated_story_are_seen() {
        let sender = Sent {
            ids: vec!["a".into(), "b".into()],
            ..Sent::default()
        };
        let sent = [sender];
        for (stories, complaint) in [
            (&[("a", 1), ("b", 1)][..], None),
            (&[("a", 1)], Some("no entry of b")),
            (&[("a", 1), ("b", 2)], Some("b has 2 deliveries")),
            (&[("a", 1), ("b", 0)], Some("b has 0 deliveries")),
            (&[("a", 1), ("b", 1), ("c", 1)], Some("no sender was told of")),
        ] {
            let stories = stories
                .iter()
                .map(|(id, times)| ((*id).to_owned(), *times))
                .collect();
            let broken = judge(&sent, &stories).join("\n");
            assert_eq!(broken.is_empty(), complaint.is_none(), "{broken}");
            assert!(broken.contains(complaint.unwrap_or_default()), "{broken}");
        }
    }
}
