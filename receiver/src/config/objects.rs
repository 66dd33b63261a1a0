//! One object: compiled, unless what it was made of is as it was.

use std::sync::Arc;

use leadgate_crds::addresses::local_urls;
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::load::Loader;
use super::manifests::{Fingerprint, Kind, Manifest};
use super::running::Loaded;
use super::schema;
use super::secrets;
use super::sink::Sink;
use super::warnings;
use crate::nearest::did_you_mean;
use crate::queue::SinkId;
use crate::share::Allowance;
use crate::source::Webhook;

/// The errors are complete, each names its field and the remedy.
pub(super) type Compiled<T> = Result<Loaded<T>, Vec<String>>;

impl Loader<'_> {
    pub(super) fn compile_sink(
        &mut self,
        manifest: &Arc<Manifest>,
        before: Option<&Loaded<Sink>>,
    ) -> Compiled<Sink> {
        let read = self.secrets.reader(&manifest.namespace);
        let fingerprint = fingerprint(manifest, &read);
        if let Some(same) = still(before, fingerprint, manifest) {
            return Ok(same);
        }
        let value = take(&mut self.specs, manifest)?;
        let local_addresses = local_addresses(self.local_addresses, &value);
        let compiled = schema::parse::<CrmSink>(value, &self.schema).compile(|object| {
            let sink = Sink::compile(object, &|name, key| read.get(name, key));
            and_also(local_addresses, sink)
        })?;
        Ok(loaded(compiled, fingerprint, manifest, Vec::new()))
    }

    pub(super) fn compile_receiver(
        &mut self,
        manifest: &Arc<Manifest>,
        before: Option<&Loaded<Allowance>>,
    ) -> Compiled<Allowance> {
        let fingerprint = manifest.fingerprint;
        if let Some(same) = still(before, fingerprint, manifest) {
            return Ok(same);
        }
        let value = take(&mut self.specs, manifest)?;
        let compiled = schema::parse::<LeadReceiver>(value, &self.schema)
            .compile(|object| Ok(Allowance::from(&object.spec.limits)))?;
        Ok(loaded(compiled, fingerprint, manifest, Vec::new()))
    }

    pub(super) fn compile_webhook(
        &mut self,
        manifest: &Arc<Manifest>,
        before: Option<&Loaded<Webhook>>,
    ) -> Compiled<Webhook> {
        let read = self.secrets.reader(&manifest.namespace);
        let fingerprint = fingerprint(manifest, &read);
        if let Some(same) = still(before, fingerprint, manifest) {
            let named = same.compiled.sinks.iter().map(|route| &route.sink);
            let missing = self.missing_sinks(&manifest.namespace, named);
            return and_also(missing, Ok(same));
        }
        let value = take(&mut self.specs, manifest)?;
        let local_addresses = local_addresses(self.local_addresses, &value);
        let mut found = Vec::new();
        let compiled = schema::parse::<LeadWebhook>(value, &self.schema).compile(|object| {
            found = warnings::short_secrets(object, |name, key| read.get(name, key).ok());
            let webhook = Webhook::compile(object, &|name, key| read.get(name, key));
            let compiled = webhook.as_ref().ok();
            found.extend(compiled.and_then(|webhook| warnings::other_url(object, webhook)));
            let webhook = and_also(self.missing_sinks_of(object, &manifest.namespace), webhook);
            and_also(local_addresses, webhook)
        })?;
        found.extend(warnings::of_webhook(&compiled));
        Ok(loaded(compiled, fingerprint, manifest, found))
    }

    fn missing_sinks_of(&self, object: &LeadWebhook, namespace: &str) -> Vec<String> {
        let sinks = object.spec.sinks.iter();
        let named: Vec<SinkId> = sinks.map(|sink| SinkId::of(namespace, &sink.name)).collect();
        self.missing_sinks(namespace, named.iter())
    }

    /// Named sinks that do not run. One that has a problem of its own is told of there, so it is not told again.
    fn missing_sinks<'s>(&self, namespace: &str, named: impl Iterator<Item = &'s SinkId>) -> Vec<String> {
        let mut missing = Vec::new();
        for (n, sink) in named.enumerate() {
            let is_there = self.config.sinks.contains_key(sink)
                || self.seen.contains(&(Kind::CrmSink, sink.to_string()));
            if !is_there {
                let sinks = self.seen.iter().filter(|(kind, _)| *kind == Kind::CrmSink);
                let here = sinks.filter_map(|(_, id)| id.strip_prefix(namespace)?.strip_prefix('/'));
                let own = sink.name();
                let hint = did_you_mean(own, here).unwrap_or_else(|| "; add its manifest".to_owned());
                missing.push(format!("spec.sinks[{n}].name: there is no CrmSink {sink}{hint}"));
            }
        }
        missing
    }
}

/// A manifest must not make the receiver call itself or its neighbours, unless that was allowed.
fn local_addresses(allowed: bool, object: &Value) -> Vec<String> {
    if allowed {
        return Vec::new();
    }
    let mut fields = object.get("spec").map_or_else(Vec::new, local_urls);
    for field in &mut fields {
        field.push_str(
            ": the host is this machine or a link-local address; write the CRM's address, or start the receiver with \
             --allow-local-addresses for a simulator",
        );
    }
    fields
}

fn take(specs: &mut super::manifests::Specs, manifest: &Manifest) -> Result<Value, Vec<String>> {
    let gone = "its file changed while it was being read; it will be read again";
    specs.take(manifest).ok_or_else(|| vec![gone.to_owned()])
}

/// What runs goes on, under the name that the API server gives it now.
fn still<T>(
    before: Option<&Loaded<T>>,
    fingerprint: Fingerprint,
    manifest: &Arc<Manifest>,
) -> Option<Loaded<T>> {
    before
        .filter(|before| before.fingerprint == fingerprint)
        .map(|before| Loaded {
            manifest: Arc::clone(manifest),
            ..before.clone()
        })
}

fn loaded<T>(
    compiled: T,
    fingerprint: Fingerprint,
    manifest: &Arc<Manifest>,
    warnings: Vec<String>,
) -> Loaded<T> {
    Loaded {
        compiled: Arc::new(compiled),
        fingerprint,
        manifest: Arc::clone(manifest),
        warnings,
    }
}

/// Changes when the object or a Secret that it refers to changes.
fn fingerprint(manifest: &Manifest, read: &secrets::Reader<'_>) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update(manifest.fingerprint);
    for secret in read.all_of(&manifest.references) {
        hash.update((secret.len() as u64).to_be_bytes());
        hash.update(secret);
    }
    hash.finalize().into()
}

/// A result, with errors found elsewhere.
fn and_also<T>(errors: Vec<String>, result: Result<T, Vec<String>>) -> Result<T, Vec<String>> {
    match result {
        Ok(value) if errors.is_empty() => Ok(value),
        Ok(_) => Err(errors),
        Err(own) => Err(own.into_iter().chain(errors).collect()),
    }
}
