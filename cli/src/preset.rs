//! How known senders authenticate: the receiver's presets, of which only that is read here.

use std::collections::BTreeSet;

use leadgate_crds::lead_webhook::{Hmac, Token};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Name and YAML of each.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// How a sender authenticates.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PresetAuth {
    #[serde(default)]
    hmac: Map<String, Value>,
    #[serde(default)]
    token: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Preset {
    #[serde(default)]
    auth: PresetAuth,
}

/// What a preset tells of the data that its sender sends.
#[derive(Debug, Default)]
pub(crate) struct PresetData {
    /// The lead's fields that it maps.
    pub(crate) fields: BTreeSet<String>,
    /// Where fields are fetched.
    pub(crate) hydrate: Option<String>,
}

impl PresetData {
    /// Of the preset `name`; nothing of one that is not known.
    pub(crate) fn of(name: &str) -> Self {
        let source = SOURCES.iter().find(|(known, _)| *known == name);
        let preset = source.and_then(|(_, text)| serde_saphyr::from_str::<Value>(text).ok());
        let preset = preset.unwrap_or_default();
        let fields = ["/payload/lead", "/payload/hydrate/lead"].into_iter();
        let fields = fields.filter_map(|at| preset.pointer(at)?.as_object());
        let base_url = preset.pointer("/payload/hydrate/baseUrl").and_then(Value::as_str);
        Self {
            fields: fields.flat_map(Map::keys).cloned().collect(),
            hydrate: base_url.map(str::to_owned),
        }
    }
}

impl PresetAuth {
    /// Of the preset `name`.
    pub(crate) fn of(name: &str) -> Result<Self, String> {
        let source = SOURCES.iter().find(|(known, _)| *known == name);
        let (_, text) = source.ok_or_else(|| {
            format!("spec.source: this program does not know the preset {name}; upgrade it")
        })?;
        let preset: Preset =
            serde_saphyr::from_str(text).map_err(|error| format!("preset {name}: {error}"))?;
        Ok(preset.auth)
    }

    /// The webhook's own scheme over the sender's.
    pub(crate) fn hmac(&self, own: &Hmac) -> Result<Hmac, String> {
        // Other names of headers: the first ones do.
        let known = self.hmac.iter().filter(|(name, _)| *name != "otherHeaders");
        overlay(known, own)
    }

    /// The same of a token. A place of the webhook replaces that of the sender.
    pub(crate) fn token(&self, own: &Token) -> Result<Token, String> {
        let has_place = own.header.is_some() || own.query.is_some() || own.json.is_some();
        let is_place = |name: &str| matches!(name, "header" | "query" | "json");
        let known = self
            .token
            .iter()
            .filter(|(name, _)| !(has_place && is_place(name)));
        overlay(known, own)
    }
}

fn overlay<'m, T>(known: impl Iterator<Item = (&'m String, &'m Value)>, own: &T) -> Result<T, String>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let mut all: Map<String, Value> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Ok(Value::Object(own)) = serde_json::to_value(own) {
        all.extend(own);
    }
    serde_json::from_value(Value::Object(all)).map_err(|error| format!("spec.auth: {error}"))
}
