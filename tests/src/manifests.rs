//! The manifests that scenarios run on, with their usual parts filled in.

/// A CrmSink `default/hubspot` and its token; time-outs and back-offs are short, for tests.
#[derive(Debug, Clone)]
pub struct HubSpotSink {
    /// Where the CRM is.
    pub base_url: String,
    /// Its token.
    pub token: String,
    /// YAML of `spec.properties`, each line indented by four; empty leaves the standard fields.
    pub properties: String,
    /// YAML of `spec.delivery`, in flow style.
    pub delivery: String,
    /// YAML of more fields of `spec.hubspot`, in flow style, each with a comma before it.
    pub hubspot: String,
    /// YAML of more fields of `spec`, in flow style: `matching: {…}`.
    pub more: String,
    /// Stops deliveries.
    pub suspend: bool,
}

impl HubSpotSink {
    /// A sink that never waits for long.
    pub fn new(base_url: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            token: token.into(),
            properties: String::new(),
            delivery: "{timeout: 1s, retry: {maxAge: 72h, initialBackoff: 100ms, maxBackoff: 2s}, rateLimit: {requests: \
                       10000, per: 10s}, circuitBreaker: {failures: 5, cooldown: 1s}, concurrency: 8}"
                .into(),
            hubspot: String::new(),
            more: String::new(),
            suspend: false,
        }
    }

    /// The documents.
    pub fn yaml(&self) -> String {
        let Self {
            base_url,
            token,
            properties,
            delivery,
            hubspot,
            more,
            suspend,
        } = self;
        let more = if more.is_empty() {
            String::new()
        } else {
            format!("  {more}\n")
        };
        let properties = if properties.is_empty() {
            String::new()
        } else {
            format!("  properties:\n{properties}\n")
        };
        format!(
            "apiVersion: leadgate.dev/v1alpha1
kind: CrmSink
metadata: {{name: hubspot, namespace: default}}
spec:
  hubspot: {{tokenSecretRef: {{name: hubspot-token, key: token}}, baseUrl: \"{base_url}\"{hubspot}}}
{properties}{more}  delivery: {delivery}
  suspend: {suspend}
---
{}",
            secret("hubspot-token", "token", token)
        )
    }
}

/// A Secret in `default` with one key.
pub fn secret(name: &str, key: &str, value: &str) -> String {
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: default}}
stringData: {{{key}: \"{value}\"}}
"
    )
}

/// A LeadWebhook `default/<name>` of a sender that a preset knows (`generic`, `typeform`, …), with its secret,
/// feeding `default/hubspot`.
pub fn webhook(name: &str, preset: &str, hmac: &str) -> String {
    format!(
        "apiVersion: leadgate.dev/v1alpha1
kind: LeadWebhook
metadata: {{name: {name}, namespace: default}}
spec:
  source: {preset}
  auth: {{hmac: {{secretRefs: [{{name: {name}, key: hmac}}]}}}}
  sinks: [{{name: hubspot}}]
---
{}",
        secret(name, "hmac", hmac)
    )
}

/// The same for the generic sender, with a mapping of its own for tests to change: fields are named as the lead's.
pub fn mapped_webhook(name: &str, hmac: &str) -> String {
    webhook(name, "generic", hmac).replacen(
        "  sinks: [{name: hubspot}]\n",
        "  payload:
    lead:
      email: payload.email
      firstName: payload.firstName
      lastName: payload.lastName
      phone: payload.phone
  idempotency: {key: payload.submissionId, window: 24h}
  sinks: [{name: hubspot}]
",
        1,
    )
}
