//! Known senders, as data: `presets/*.yaml`. A preset costs no Rust.

use std::sync::OnceLock;

use crate::nearest::did_you_mean;
use leadgate_crds::common::{Duration, Expression};
use leadgate_crds::lead_webhook::{Challenge, Format, LeadMapping, OnInvalid, TokenEncoding};
use serde::Deserialize;

use super::auth::HmacScheme;

/// What is known of a sender.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Preset {
    /// The sender's name as it writes it.
    pub title: String,
    /// Where the sender documents its webhooks.
    pub documentation: Option<String>,
    /// The day on which this was last compared with the documentation or SDK.
    pub checked: String,
    /// How sure we are.
    pub confidence: Confidence,
    /// What that rests on, and what a user should know.
    #[serde(default)]
    pub notes: String,
    /// What a person has to click and type in the sender's interface.
    #[serde(default)]
    pub setup: String,
    /// How the sender proves itself. Absent: it cannot; the webhook must say what else to do.
    pub auth: Option<PresetAuth>,
    /// What it asks before it sends leads.
    #[serde(default)]
    pub challenges: Vec<Challenge>,
    /// How its body becomes leads.
    #[serde(default)]
    pub payload: PresetPayload,
    /// How its resends are recognised.
    #[serde(default)]
    pub idempotency: PresetIdempotency,
}

/// How sure a preset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Confidence {
    /// Checked against the sender's own SDK or source.
    High,
    /// Checked against its documentation or several independent verifiers.
    Medium,
    /// From memory or from one secondary source.
    Low,
}

/// A sender's proof.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresetAuth {
    /// A signature.
    pub hmac: Option<HmacScheme>,
    /// A fixed secret.
    pub token: Option<PresetToken>,
}

/// Where a sender puts a fixed secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresetToken {
    /// In this header.
    pub header: Option<String>,
    /// In this query parameter.
    pub query: Option<String>,
    /// At this JSON pointer.
    pub json: Option<String>,
    /// After this word.
    pub scheme: Option<String>,
    /// Written so.
    pub encoding: Option<TokenEncoding>,
}

/// A sender's body.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresetPayload {
    /// Its format.
    pub format: Option<Format>,
    /// Which requests are leads.
    pub accept: Option<Expression>,
    /// Whether an event without e-mail address and phone number is not a lead: for senders whose events are about all kinds
    /// of things, and who switch a webhook off after refusals.
    #[serde(default)]
    pub ignore_without_contact: bool,
    /// Where the leads of a batch are.
    pub items: Option<Expression>,
    /// What becomes of a lead with an optional field that is not valid.
    pub on_invalid: Option<OnInvalid>,
    /// What each field is.
    #[serde(default)]
    pub lead: LeadMapping,
    /// Where the rest is fetched.
    pub hydrate: Option<PresetHydrate>,
}

/// Where a thin payload's fields are fetched.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresetHydrate {
    /// The sender's own API.
    pub base_url: String,
    /// The path of one lead.
    pub path: Expression,
    /// The token's header.
    pub header: Option<String>,
    /// The word before the token.
    pub scheme: Option<String>,
    /// What else it wants.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// Which answers are leads.
    pub accept: Option<Expression>,
    /// What each field is, over the answer.
    #[serde(default)]
    pub lead: LeadMapping,
}

/// A sender's resends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PresetIdempotency {
    /// The same for every resend of one submission.
    pub key: Option<Expression>,
    /// How long resends may come.
    pub window: Option<Duration>,
}

/// Name and source of each preset.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// Each is read when it is first asked for: a receiver needs few of them.
static PRESETS: [OnceLock<Option<Preset>>; SOURCES.len()] = [const { OnceLock::new() }; SOURCES.len()];

/// Reads a preset's YAML.
pub fn read(text: &str) -> Result<Preset, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// A preset by name.
pub fn find(name: &str) -> Option<&'static Preset> {
    let (place, text) = shipped(name)?;
    // One that does not parse is none here and fails the test below: it cannot be released.
    PRESETS.get(place)?.get_or_init(|| read(text).ok()).as_ref()
}

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().map(|(name, _)| *name)
}

/// What to say of a name that no preset has.
pub fn unknown(name: &str) -> String {
    let hint = did_you_mean(name, names()).unwrap_or_else(|| {
        let known: Vec<_> = names().collect();
        format!("; known presets: {}", known.join(", "))
    });
    format!("no preset is named {name}{hint}")
}

/// A preset's YAML as it is shipped.
pub fn source(name: &str) -> Option<&'static str> {
    shipped(name).map(|(_, text)| text)
}

/// A preset's place among all, and its YAML.
fn shipped(name: &str) -> Option<(usize, &'static str)> {
    let mut all = SOURCES.iter().enumerate();
    all.find_map(|(place, (known, text))| (*known == name).then_some((place, *text)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_shipped_preset_can_be_read() {
        for (name, text) in super::SOURCES {
            if let Err(error) = super::read(text) {
                panic!("presets/{name}.yaml: {error}");
            }
        }
        assert!(super::names().count() >= 7);
    }
}
