//! A LeadWebhook that somebody thinks of applying.

use leadgate_crds::LeadWebhook;
use serde_json::Value;

use super::schema;
use crate::source::Webhook;

/// In place of each Secret: who may post is not what is tried.
const SOME_SECRET: &[u8] = b"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Compiles a manifest, to see what it would make of payloads; the errors are complete, each names its field and the remedy.
/// It is work: call it off the async threads.
pub(crate) fn candidate(manifest: Value) -> Result<Webhook, Vec<String>> {
    if manifest.get("kind").and_then(Value::as_str) != Some("LeadWebhook") {
        return Err(vec!["kind: it must be a LeadWebhook".to_owned()]);
    }
    schema::parse::<LeadWebhook>(manifest, &schema::lead_webhook())
        .compile(|object| Webhook::compile(object, &|_, _| Ok(SOME_SECRET.to_vec())))
}
