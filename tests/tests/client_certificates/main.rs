//! Mutual TLS with real certificates: checked by the receiver over its own TLS, or passed on by an edge that is
//! believed only at its own address.

mod edge;
mod own_tls;
mod reload;

use rcgen::SanType;

pub(crate) const LEAD: &str = r#"{"email":"ada@example.com","firstName":"Ada"}"#;

pub(crate) const REST: &str = "---
apiVersion: leadgate.dev/v1alpha1
kind: CrmSink
metadata: {name: crm}
spec: {hubspot: {tokenSecretRef: {name: s, key: token}, baseUrl: 'http://127.0.0.1:9'}}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {token: right}
";

pub(crate) fn webhook(name: &str, auth: &str) -> String {
    format!(
        "---\napiVersion: leadgate.dev/v1alpha1\nkind: LeadWebhook\nmetadata: {{name: {name}}}\n\
         spec: {{auth: {{{auth}}}, sinks: [{{name: crm}}]}}\n"
    )
}

pub(crate) fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}
