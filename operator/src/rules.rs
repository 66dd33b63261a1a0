//! What the one who runs the operator allows to those who write resources. Pure.

/// What is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Only Secrets with the label `leadgate.dev/use: "true"` may be named.
    pub secret_label: bool,
    /// The hosts for which edges are made; empty: any.
    pub hosts: Vec<HostRule>,
    /// Beginnings of the annotations that are copied to Ingresses; empty: none is copied.
    pub annotations: Vec<String>,
}

impl Rules {
    /// Whether a namespace may be reached under a host.
    pub fn allows_host(&self, namespace: &str, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|rule| rule.allows(namespace, host))
    }

    /// Whether an annotation may be copied.
    pub fn allows_annotation(&self, name: &str) -> bool {
        self.annotations.iter().any(|prefix| name.starts_with(prefix))
    }
}

/// A host, or all below one, for all namespaces or one: `leads.example.com`, `*.example.com`, `sales/*.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    namespace: Option<String>,
    host: String,
}

impl From<&str> for HostRule {
    fn from(text: &str) -> Self {
        let (namespace, host) = match text.trim().split_once('/') {
            Some((namespace, host)) => (Some(namespace.to_owned()), host),
            None => (None, text.trim()),
        };
        let host = host.to_ascii_lowercase();
        Self { namespace, host }
    }
}

impl HostRule {
    fn allows(&self, namespace: &str, host: &str) -> bool {
        let below = |domain: &str| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        };
        self.namespace.as_deref().is_none_or(|own| own == namespace)
            && match self.host.strip_prefix("*.") {
                Some(domain) => below(domain),
                None => self.host == host,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (rule, namespace, host, allowed) in [
            ("leads.example.com", "sales", "leads.example.com", true),
            ("Leads.Example.com", "sales", "leads.example.com", true),
            ("leads.example.com", "sales", "x.leads.example.com", false),
            ("leads.example.com", "sales", "example.com", false),
            ("*.example.com", "sales", "leads.example.com", true),
            ("*.example.com", "sales", "a.b.example.com", true),
            ("*.example.com", "sales", "*.example.com", true),
            ("*.example.com", "sales", "example.com", false),
            ("*.example.com", "sales", "evilexample.com", false),
            ("*.example.com", "sales", ".example.com", false),
            ("sales/*.example.com", "sales", "leads.example.com", true),
            ("sales/*.example.com", "sale", "leads.example.com", false),
            ("", "sales", "leads.example.com", false),
        ] {
            let rules = Rules {
                hosts: vec![rule.into()],
                ..Rules::default()
            };
            assert_eq!(
                rules.allows_host(namespace, host),
                allowed,
                "{rule} {namespace} {host}"
            );
        }
        assert!(Rules::default().allows_host("sales", "leads.example.com"));
    }

    #[test]
    fn annotations() {
        let rules = Rules {
            annotations: vec!["cert-manager.io/".to_owned()],
            ..Rules::default()
        };
        assert!(rules.allows_annotation("cert-manager.io/cluster-issuer"));
        assert!(!rules.allows_annotation("acme.cert-manager.io/http01"));
        assert!(!Rules::default().allows_annotation("a"));
    }
}
