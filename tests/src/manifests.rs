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

/// A CrmSink `default/salesforce` with an external id, and its Secret; time-outs and back-offs are short, for tests.
#[derive(Debug, Clone)]
pub struct SalesforceSink {
    /// Where the CRM is.
    pub instance_url: String,
    /// YAML of `spec.salesforce.auth`, in flow style, over the keys of the Secret `salesforce`.
    pub auth: String,
    /// The Secret's keys and values.
    pub secret: Vec<(String, String)>,
    /// YAML of `spec.salesforce.externalId`, in flow style; empty: none.
    pub external_id: String,
    /// More of `spec.salesforce`: `duplicateRule: AllowSave; assignmentRule: true`.
    pub more: String,
    /// YAML of `spec.properties`, each line indented by four; empty leaves the standard fields.
    pub properties: String,
    /// YAML of `spec.matching`, in flow style.
    pub matching: String,
    /// YAML of `spec.delivery`, in flow style.
    pub delivery: String,
}

impl SalesforceSink {
    /// A sink that signs in with client credentials and never waits for long.
    pub fn new(salesforce: &crate::salesforce::Salesforce) -> Self {
        let config = salesforce.config();
        Self {
            instance_url: salesforce.base_url(),
            auth: "{clientCredentials: {clientId: {name: salesforce, key: id}, clientSecret: {name: salesforce, key: \
                   secret}}}"
                .into(),
            secret: vec![
                ("id".into(), config.client_id.clone()),
                ("secret".into(), config.client_secret.clone()),
            ],
            external_id: "{field: Webhook_Submission_ID__c}".into(),
            more: "fallbacks: {lastName: \"[unknown]\", company: \"[unknown]\"}".into(),
            properties: String::new(),
            matching: "{}".into(),
            delivery: "{timeout: 1s, retry: {maxAge: 72h, initialBackoff: 100ms, maxBackoff: 2s}, rateLimit: {requests: \
                       10000, per: 10s}, circuitBreaker: {failures: 5, cooldown: 1s}, concurrency: 8}"
                .into(),
        }
    }

    /// The documents.
    pub fn yaml(&self) -> String {
        let line = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!("    {name}: {value}\n"),
        };
        let more: String = match self.more.as_str() {
            "" => String::new(),
            more => format!("    {}\n", more.replace("; ", "\n    ")),
        };
        let properties = match self.properties.as_str() {
            "" => String::new(),
            properties => format!("  properties:\n{properties}\n"),
        };
        let secret: String = self
            .secret
            .iter()
            .map(|(key, value)| format!("  {key}: {}\n", serde_json::Value::from(value.as_str())))
            .collect();
        format!(
            "apiVersion: leadgate.dev/v1alpha1
kind: CrmSink
metadata: {{name: salesforce, namespace: default}}
spec:
  salesforce:
    instanceUrl: \"{}\"
    auth: {}
{}{more}{properties}  matching: {}
  delivery: {}
---
apiVersion: v1
kind: Secret
metadata: {{name: salesforce, namespace: default}}
stringData:
{secret}",
            self.instance_url,
            self.auth,
            line("externalId", &self.external_id),
            self.matching,
            self.delivery,
        )
    }

    /// A LeadWebhook of the generic sender as [`mapped_webhook`]'s, feeding this sink.
    pub fn webhook(name: &str, hmac: &str) -> String {
        mapped_webhook(name, hmac)
            .replacen("{name: hubspot}", "{name: salesforce}", 1)
            .replacen(
                "      phone: payload.phone\n",
                "      phone: payload.phone\n      jobTitle: payload.title\n      company: payload.company\n      \
                 submissionId: payload.submissionId\n",
                1,
            )
    }
}
