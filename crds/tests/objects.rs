//! Complete objects survive reading and writing; mistakes are named.

use std::fmt::Debug;

use leadgate_crds::{
    CrmSink, LeadReceiver, LeadReceiverSpec, LeadWebhook,
    common::Expression,
    crm_sink::{Crm, RestAuthScheme, SalesforceAuthFlow},
    lead_receiver::{Durability, QueueMode},
    lead_webhook::AuthScheme,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

macro_rules! object {
    ($name:literal) => {
        include_str!(concat!("objects/", $name, ".yaml"))
    };
}

/// Reads and writes `text` and checks that nothing of it was lost.
fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &str) -> T {
    let object: T = serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let written = serde_json::to_value(&object).unwrap();
    contains(&written, &serde_saphyr::from_str(text).unwrap(), "");
    let again: T = serde_json::from_value(written).unwrap();
    assert_eq!(again, object);
    object
}

/// `whole` has everything that `part` has. Empty values and nulls need not be written.
fn contains(whole: &Value, part: &Value, path: &str) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, value) in part.iter().filter(|(_, v)| !v.is_null()) {
                let path = format!("{path}.{key}");
                contains(
                    whole.get(key).unwrap_or_else(|| panic!("{path} is lost")),
                    value,
                    &path,
                );
            }
        }
        (Value::Array(whole), Value::Array(part)) => {
            assert_eq!(whole.len(), part.len(), "{path}");
            for (i, (whole, part)) in whole.iter().zip(part).enumerate() {
                contains(whole, part, &format!("{path}[{i}]"));
            }
        }
        _ => assert_eq!(whole, part, "{path}"),
    }
}

#[test]
fn complete_lead_webhooks_survive() {
    let webhook: LeadWebhook = survives(object!("leadwebhook-hmac"));
    assert!(matches!(webhook.spec.auth.scheme(), Some(AuthScheme::Hmac(h)) if h.secret_refs.len() == 2));
    assert_eq!(webhook.status.unwrap().leads.stored.accepted, 130);

    let webhook: LeadWebhook = survives(object!("leadwebhook-token"));
    assert!(matches!(webhook.spec.auth.scheme(), Some(AuthScheme::Token(_))));
    assert_eq!(webhook.spec.receiver_ref.name, "default");
    assert_eq!(webhook.spec.gateway.unwrap().parent_refs.len(), 1);

    let webhook: LeadWebhook = survives(object!("leadwebhook-messages"));
    let rules = webhook.spec.auth.hmac.unwrap().message_signature.unwrap();
    assert_eq!((rules.tolerance_seconds, rules.skew_seconds), (60, 2));
}

#[test]
fn complete_lead_receivers_survive() {
    let receiver: LeadReceiver = survives(object!("leadreceiver-own-redis"));
    let spec = receiver.spec;
    let queue = spec.queue.unwrap();
    assert!(matches!(queue.mode(), QueueMode::Own(url) if url.name == "redis"));
    let ca = spec.tls.unwrap().client_ca_secret_ref.unwrap();
    assert_eq!(ca.key, "bundle.pem");
    assert_eq!(spec.limits.pending_deliveries, Some(50_000));

    let receiver: LeadReceiver = survives(object!("leadreceiver-autoscaled"));
    assert_eq!(receiver.spec.queue.unwrap().durability, Durability::EverySecond);
    assert_eq!(receiver.spec.autoscaling.unwrap().target_cpu, 60);
}

#[test]
fn complete_crm_sinks_survive() {
    let sink: CrmSink = survives(object!("crmsink-hubspot"));
    assert!(matches!(sink.spec.crm(), Some(Crm::HubSpot(h)) if h.ensure_properties));

    let sink: CrmSink = survives(object!("crmsink-salesforce"));
    let Some(Crm::Salesforce(salesforce)) = sink.spec.crm() else {
        panic!("{sink:?}");
    };
    assert!(matches!(
        salesforce.auth.flow(),
        Some(SalesforceAuthFlow::ClientCredentials(_))
    ));

    let sink: CrmSink = survives(object!("crmsink-rest"));
    let Some(Crm::Rest(rest)) = sink.spec.crm() else {
        panic!("{sink:?}");
    };
    assert!(matches!(
        rest.auth.scheme(),
        Some(RestAuthScheme::OAuth2ClientCredentials(_))
    ));
    survives::<CrmSink>(object!("crmsink-rest-upsert"));
}

#[test]
fn minimal_objects_have_the_defaults() {
    let webhook: LeadWebhook = survives(object!("leadwebhook-minimal"));
    let spec = webhook.spec;
    assert_eq!(spec.source, "generic");
    assert_eq!(spec.payload.max_bytes, 1_048_576);
    assert_eq!(spec.payload.format, None, "the preset decides");
    assert_eq!(spec.retention.dead.get().as_secs(), 720 * 3600);

    let receiver: LeadReceiver = survives(object!("leadreceiver-minimal"));
    let spec = receiver.spec;
    assert_eq!(spec, LeadReceiverSpec::default());
    assert_eq!(spec.drain_timeout.get().as_secs(), 600);
    assert_eq!(spec.limits.body_memory.0, "32Mi");
    assert_eq!(spec.queue, None, "the queue of the namespace");

    let sink: CrmSink = survives(object!("crmsink-minimal"));
    let delivery = sink.spec.delivery;
    assert_eq!(delivery.timeout.get().as_secs(), 10);
    assert_eq!(delivery.batch.linger.get().as_millis(), 50);
    assert_eq!(delivery.retry.max_age.get().as_secs(), 72 * 3600);
    assert_eq!(delivery.concurrency, 8);
}

#[test]
fn a_misspelt_field_is_named() {
    fn refuses<T: DeserializeOwned>(text: &str, from: &str, to: &str) {
        assert!(text.contains(from), "{from}");
        let Err(error) = serde_saphyr::from_str::<T>(&text.replacen(from, to, 1)) else {
            panic!("{to} passes");
        };
        let name = to.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        assert!(error.to_string().contains(name), "{error}");
    }
    let webhook = object!("leadwebhook-hmac");
    for (from, to) in [
        ("publicUrl:", "publicURL:"),
        ("secretRefs:", "secretRef:"),
        ("toleranceSeconds:", "tolerance:"),
        ("allowedCidrs:", "allowedCIDRs:"),
        ("maxBytes:", "maxbytes:"),
        ("firstName:", "firstname:"),
        ("when:", "if:"),
        ("tlsSecretName:", "tlsSecret:"),
        ("rejected:", "refused:"),
        ("successRate:", "success:"),
    ] {
        refuses::<LeadWebhook>(webhook, from, to);
    }
    refuses::<LeadReceiver>(object!("leadreceiver-autoscaled"), "targetCPU:", "targetCpu:");
    let receiver = object!("leadreceiver-own-redis");
    for (from, to) in [
        ("storageClassName:", "storageClass:"),
        ("bodyMemory:", "bodies:"),
        ("senders:", "from:"),
        ("drainTimeout:", "drain:"),
    ] {
        refuses::<LeadReceiver>(receiver, from, to);
    }
    let sink = object!("crmsink-hubspot");
    for (from, to) in [
        ("tokenSecretRef:", "tokenRef:"),
        ("key: token", "kye: token"),
        ("onPartialMatch:", "partialMatch:"),
        ("maxBackoff:", "maxDelay:"),
        ("cooldown:", "coolDown:"),
        ("suspend:", "suspended:"),
    ] {
        refuses::<CrmSink>(sink, from, to);
    }
    refuses::<CrmSink>(object!("crmsink-rest"), "conflict:", "conflicts:");
    refuses::<CrmSink>(object!("crmsink-salesforce"), "duplicateRule:", "duplicateRules:");
}

#[test]
fn a_status_of_a_newer_version_is_read() {
    let text =
        object!("leadwebhook-minimal").to_owned() + "status: {observedGeneration: 2, inventedLater: true}\n";
    let webhook: LeadWebhook = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(webhook.status.unwrap().observed_generation, 2);
}

#[test]
fn an_expression_has_1_to_2048_bytes() {
    assert!(Expression::new("").is_err());
    assert!(Expression::new("x".repeat(2048)).is_ok());
    assert!(Expression::new("x".repeat(2049)).is_err());
    // Two bytes each: the API server counts characters, the receiver bytes.
    assert!(Expression::new("ä".repeat(1025)).is_err());
}
