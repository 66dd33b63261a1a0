//! The record of processing activities. Pure.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use leadgate_crds::common::Duration;
use leadgate_crds::crm_sink::{Crm, CrmErasure};
use leadgate_crds::lead_receiver::QueueMode;
use leadgate_crds::lead_webhook::{AuthScheme, Keep};
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use serde_json::Value;

use crate::preset::PresetData;

/// What the record is made of.
#[derive(Debug, Default)]
pub(super) struct Resources {
    pub(super) receivers: Vec<LeadReceiver>,
    pub(super) webhooks: Vec<LeadWebhook>,
    pub(super) sinks: Vec<CrmSink>,
}

const HEAD: &str = "# Record of processing activities\n
Regulation (EU) 2016/679 (GDPR), article 30. Made by `kubectl leadgate processing` from the resources of Leadgate. What they cannot tell
stands in _italics_: complete it.\n
- Controller, representative, data protection officer: _name and contact details_
- Purposes: receive leads from web forms, apps and advertising networks, and deliver them to the CRMs below; _your purposes_
- Legal basis: _for example consent, or steps before a contract_
- Data subjects: people who submit a form or an enquiry
- Transfers to third countries: _for each recipient below, with the safeguards_\n";

/// The whole record, by namespace.
pub(super) fn document(resources: &Resources) -> String {
    let namespaces: BTreeSet<String> = resources.webhooks.iter().map(namespace).collect();
    let parts = namespaces.iter().map(|name| section(name, resources));
    parts.fold(HEAD.to_owned(), |text, part| text + &part)
}

fn namespace<K: kube::ResourceExt>(object: &K) -> String {
    object.namespace().unwrap_or_else(|| "default".to_owned())
}

fn section(name: &str, all: &Resources) -> String {
    let webhooks: Vec<&LeadWebhook> = all
        .webhooks
        .iter()
        .filter(|object| namespace(*object) == name)
        .collect();
    let sinks: Vec<&CrmSink> = all
        .sinks
        .iter()
        .filter(|object| namespace(*object) == name)
        .collect();
    let receivers: Vec<&LeadReceiver> = all
        .receivers
        .iter()
        .filter(|object| namespace(*object) == name)
        .collect();
    let mut text = format!("\n## Namespace {name}\n");
    text += "\n### Where data come from, and which\n\n";
    text += &table(
        &[
            "LeadWebhook",
            "Sender",
            "Authenticated by",
            "Categories of personal data",
            "Stored of what was posted",
            "Delivered to",
        ],
        webhooks.iter().map(|webhook| origin(webhook)),
    );
    text += "\n### Recipients\n\n";
    text += &table(
        &["CrmSink", "CRM", "Host", "Fields", "An erasure"],
        webhooks_sinks(&webhooks)
            .into_iter()
            .map(|sink| recipient(&sink, &sinks)),
    );
    text += "\n### Time limits for erasure\n\n";
    text += &table(
        &[
            "LeadWebhook",
            "Dead, unrouted",
            "Held",
            "Rejected",
            "Payloads of delivered leads",
            "Ledger, without identity after erasure",
            "Known submissions (keyed hashes)",
        ],
        webhooks.iter().map(|webhook| limits(webhook)),
    );
    text += "\nThe longest that can be set: 8760h; rejected requests and known submissions: 720h. A lead that waits is kept until it is delivered \
             or dead (`delivery.retry.maxAge` of its CrmSink).\n";
    text += "\n### Technical and organisational measures\n\n";
    for measure in measures(&webhooks, &receivers) {
        text += &format!("- {measure}\n");
    }
    text
}

/// The names of the sinks that webhooks name.
fn webhooks_sinks(webhooks: &[&LeadWebhook]) -> BTreeSet<String> {
    let named = webhooks.iter().flat_map(|webhook| &webhook.spec.sinks);
    named.map(|sink| sink.name.clone()).collect()
}

fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let head: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
    let mut text = line(&head) + &format!("|{}\n", "---|".repeat(columns.len()));
    for row in rows {
        text += &line(&row);
    }
    text
}

fn origin(webhook: &LeadWebhook) -> Vec<String> {
    let spec = &webhook.spec;
    let preset = PresetData::of(&spec.source);
    let sender = match host(
        spec.payload
            .hydrate
            .as_ref()
            .and_then(|own| own.base_url.as_deref().or(preset.hydrate.as_deref())),
    ) {
        Some(host) => format!("{} (fields are fetched from {host})", spec.source),
        None => spec.source.clone(),
    };
    let own = serde_json::to_value(&spec.payload.lead).unwrap_or_default();
    let fetched = spec
        .payload
        .hydrate
        .as_ref()
        .map(|own| serde_json::to_value(&own.lead).unwrap_or_default());
    let mut fields: BTreeSet<String> = preset.fields;
    fields.extend(names(&own));
    fields.extend(fetched.iter().flat_map(names));
    let stored = match spec.payload.keep {
        Some(Keep::Whole) => "all of it",
        None if !is_zero(&spec.retention.payloads) => "all of it",
        Some(Keep::Mapped) | None => "what expressions read",
    };
    let sinks: Vec<&str> = spec.sinks.iter().map(|sink| sink.name.as_str()).collect();
    vec![
        webhook.name_any(),
        sender,
        authentication(webhook),
        fields.into_iter().collect::<Vec<_>>().join(", "),
        stored.to_owned(),
        sinks.join(", "),
    ]
}

fn is_zero(duration: &Duration) -> bool {
    duration.get().is_zero()
}

/// The fields of a mapping, with those of its own.
fn names(mapping: &Value) -> BTreeSet<String> {
    let Value::Object(fields) = mapping else {
        return BTreeSet::new();
    };
    let custom = fields.get("custom").and_then(Value::as_object);
    let custom = custom
        .into_iter()
        .flatten()
        .map(|(name, _)| format!("custom.{name}"));
    fields
        .keys()
        .filter(|name| *name != "custom")
        .cloned()
        .chain(custom)
        .collect()
}

fn authentication(webhook: &LeadWebhook) -> String {
    let auth = &webhook.spec.auth;
    let scheme = match auth.scheme() {
        Some(AuthScheme::Hmac(own)) if own.message_signature.is_some() => "HTTP message signature",
        Some(AuthScheme::Hmac(_)) => "signature (HMAC)",
        Some(AuthScheme::Token(_)) => "token",
        Some(AuthScheme::Basic(_)) => "password",
        Some(AuthScheme::ClientCertificate(_)) => "client certificate",
        Some(AuthScheme::None(_)) | None => "nothing: anybody may post",
    };
    let certificate =
        auth.client_certificate.is_some() && !matches!(auth.scheme(), Some(AuthScheme::ClientCertificate(_)));
    let also = [
        certificate.then_some("client certificate"),
        (!auth.allowed_cidrs.is_empty()).then_some("address"),
    ];
    let all: Vec<&str> = [Some(scheme)].into_iter().chain(also).flatten().collect();
    all.join(", ")
}

fn recipient(name: &str, sinks: &[&CrmSink]) -> Vec<String> {
    let Some(sink) = sinks.iter().find(|sink| sink.name_any() == name) else {
        return vec![
            name.to_owned(),
            "_its CrmSink is missing_".to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ];
    };
    let spec = &sink.spec;
    let (crm, hosts, standard) = match spec.crm() {
        Some(Crm::HubSpot(own)) => ("HubSpot", vec![own.base_url.clone()], true),
        Some(Crm::Salesforce(own)) => ("Salesforce", vec![own.instance_url.clone()], true),
        Some(Crm::Rest(own)) => {
            let sign_in = own
                .auth
                .oauth2_client_credentials
                .as_ref()
                .map(|oauth2| oauth2.token_url.clone());
            (
                "REST",
                [Some(own.base_url.clone()), sign_in]
                    .into_iter()
                    .flatten()
                    .collect(),
                false,
            )
        }
        None => ("_none, or several_", Vec::new(), false),
    };
    let hosts: BTreeSet<String> = hosts.iter().filter_map(|url| host(Some(url))).collect();
    let own = spec
        .properties
        .iter()
        .filter(|(_, value)| value.is_some())
        .map(|(name, _)| name.as_str());
    let mut fields: Vec<&str> = own.chain(spec.create_only.keys().map(String::as_str)).collect();
    if standard || fields.is_empty() {
        fields.insert(0, "the standard fields");
    }
    let erasure = match spec.privacy.crm {
        CrmErasure::Delete => "deletes the records, by id",
        CrmErasure::None => "lists the records; delete them in the CRM",
    };
    vec![
        name.to_owned(),
        crm.to_owned(),
        hosts.into_iter().collect::<Vec<_>>().join(", "),
        fields.join(", "),
        erasure.to_owned(),
    ]
}

fn host(url: Option<&str>) -> Option<String> {
    let uri: http::Uri = url?.parse().ok()?;
    uri.host().map(str::to_owned)
}

fn limits(webhook: &LeadWebhook) -> Vec<String> {
    let retention = &webhook.spec.retention;
    let of = |duration: &Duration| {
        if is_zero(duration) {
            "not kept".to_owned()
        } else {
            duration.to_string()
        }
    };
    let window = webhook.spec.idempotency.window.as_ref();
    vec![
        webhook.name_any(),
        of(&retention.dead),
        of(&retention.held),
        of(&retention.rejected),
        of(&retention.payloads),
        of(&retention.ledger),
        window.map_or_else(|| "24h, or the preset's".to_owned(), Duration::to_string),
    ]
}

/// What protects the data, each in a sentence.
fn measures(webhooks: &[&LeadWebhook], receivers: &[&LeadReceiver]) -> Vec<String> {
    let queue = receivers.iter().find_map(|receiver| receiver.spec.queue.as_ref());
    let sealed = "leads, rejected requests and CRMs' answers are sealed with AES-256-GCM before they leave the receiver";
    let encryption = match queue {
        Some(queue) if queue.encryption.is_some() => {
            format!("Encryption at rest: {sealed}, with keys of a Secret of yours")
        }
        Some(queue) if matches!(queue.mode(), QueueMode::Own(_)) => {
            "Encryption at rest: none by Leadgate (`spec.queue.encryption`); _that of your Redis_".to_owned()
        }
        _ => format!("Encryption at rest: {sealed}, with a key that the operator makes"),
    };
    let to_queue = match queue {
        Some(queue) if matches!(queue.mode(), QueueMode::Own(_)) => {
            "to your Redis, TLS if its URL begins with `rediss`"
        }
        _ => "to the queue, TLS with a certificate that the operator makes",
    };
    let in_pods = receivers
        .iter()
        .filter(|receiver| receiver.spec.tls.is_some())
        .count();
    let inbound = if in_pods > 0 && in_pods == receivers.len() {
        "ends in the receivers' pods"
    } else {
        "ends at the edge of the cluster, or in the pods where `spec.tls` is set; a request that came without it is refused"
    };
    let mut measures = vec![
        encryption,
        format!("Encryption in transit: TLS from senders {inbound}; {to_queue}; CRMs are called by HTTPS only, with certificates that are verified"),
        "Pseudonymisation: the ledger and the queue know people by keyed hashes (HMAC-SHA-256); logs, metrics, events and the status of resources \
         contain no personal data"
            .to_owned(),
        "Access: rights of Kubernetes decide who may read leads, replay, erase and export; what is done is recorded, by whom and when".to_owned(),
        "Availability: a lead is on disk before it is acknowledged, and is retried until its CRM confirms it".to_owned(),
        "Rights of data subjects: `kubectl leadgate erase` (article 17), also for all future leads (`--suppress`), and `kubectl leadgate export` (article 15)"
            .to_owned(),
    ];
    let open: Vec<String> = webhooks
        .iter()
        .filter(|webhook| matches!(webhook.spec.auth.scheme(), Some(AuthScheme::None(_)) | None))
        .map(|webhook| webhook.name_any())
        .collect();
    if !open.is_empty() {
        measures.push(format!(
            "Without authentication of the sender: {}",
            open.join(", ")
        ));
    }
    measures
}
