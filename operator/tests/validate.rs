//! Which mistakes are found, and what is said about them.

#![allow(unreachable_pub)]

mod common;

use std::sync::Arc;

use common::{GOOD, facts, receiver, secret, sink, webhook};
use leadgate_crds::{CrmSink, LeadWebhook};
use leadgate_operator::crm_sink::dereference::Dereferenced as SinkFacts;
use leadgate_operator::crm_sink::validate::validate as validate_sink;
use leadgate_operator::lead_webhook::dereference::Dereferenced;
use leadgate_operator::lead_webhook::endpoints::site;
use leadgate_operator::lead_webhook::validate::validate;
use leadgate_operator::reasons::Reason;
use leadgate_operator::rules::Rules;
use leadgate_operator::secrets::{Seen, Value as Content};
use leadgate_operator::validation::ErrorScope;
use serde_json::{Value, json};

fn mistakes(
    webhook: LeadWebhook,
    change: impl Fn(&mut Dereferenced),
) -> Vec<(ErrorScope, &'static str, String)> {
    mistakes_under(&Rules::default(), webhook, change)
}

fn mistakes_under(
    rules: &Rules,
    webhook: LeadWebhook,
    change: impl Fn(&mut Dereferenced),
) -> Vec<(ErrorScope, &'static str, String)> {
    let mut facts = facts();
    change(&mut facts);
    match validate(&Arc::new(webhook), &facts, rules) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes
            .into_iter()
            .map(|m| (m.about, m.reason.as_str(), m.message))
            .collect(),
    }
}

#[test]
fn each_mistake_names_field_and_remedy() {
    type Change = fn(&mut Dereferenced);
    let nothing: Change = |_| {};
    #[rustfmt::skip]
    let table: Vec<(&str, Change, ErrorScope, &str, &[&str])> = vec![
        (", source: typefrom", nothing, ErrorScope::Spec, "PresetUnknown", &["spec.source", "`typefrom`", "known presets", "typeform"]),
        ("", |f| { f.sinks.insert("crm".into(), None); }, ErrorScope::References, "SinkMissing",
            &["spec.sinks[0].name", "no CrmSink crm in namespace marketing", "create it"]),
        ("", |f| { f.secrets.insert("web".into(), None); }, ErrorScope::References, "SecretMissing",
            &["spec.auth.hmac.secretRefs[0]", "no Secret web in namespace marketing", "with the key hmac"]),
        ("", |f| { f.secrets.insert("web".into(), Some(secret("Opaque", &[]))); }, ErrorScope::References, "SecretKeyMissing",
            &["spec.auth.hmac.secretRefs[0]", "has no key hmac", "add it"]),
        ("", |f| { f.secrets.insert("crm-token".into(), None); }, ErrorScope::References, "SecretMissing",
            &["CrmSink crm: spec.hubspot.tokenSecretRef", "no Secret crm-token"]),
        (", payload: {hydrate: {baseUrl: 'http://127.0.0.1:9090', path: 'payload.path', tokenSecretRef: {name: web, key: hmac}}}",
            nothing, ErrorScope::Spec, "LocalAddress", &["spec.payload.hydrate.baseUrl", "local", "use the address of the CRM"]),
        (", payload: {hydrate: {tokenSecretRef: {name: gone, key: api}}}", nothing, ErrorScope::References, "SecretMissing",
            &["spec.payload.hydrate.tokenSecretRef", "no Secret gone", "with the key api"]),
        (", receiverRef: {name: gone}", |f| f.receiver = None, ErrorScope::References, "ReceiverMissing",
            &["spec.receiverRef.name", "no LeadReceiver gone in namespace marketing", "create it"]),
        ("", |f| f.too_large = true, ErrorScope::Spec, "ConfigurationTooLarge", &["LeadReceiver default", "spec.receiverRef"]),
        (", gateway: {parentRefs: [{name: edge}]}", |f| f.gateway_api = false, ErrorScope::References, "GatewayApiMissing",
            &["spec.gateway", "install the Gateway API"]),
    ];
    for (more, change, about, reason, words) in table {
        let found = mistakes(webhook("website", more), change);
        assert_eq!(found.len(), 1, "{more}: {found:?}");
        let (is_about, is_reason, message) = &found[0];
        assert_eq!((*is_about, *is_reason), (about, reason), "{message}");
        for word in words {
            assert!(message.contains(word), "{word} is not in: {message}");
        }
    }
    assert!(mistakes(webhook("website", ""), |_| {}).is_empty());
}

/// Whoever writes a resource decides where the Secrets go that it names.
#[test]
fn secrets_that_open_the_cluster_cannot_be_named() {
    let hydrate = |name: &str| {
        let more = format!(", payload: {{hydrate: {{tokenSecretRef: {{name: {name}, key: token}}}}}}");
        webhook("website", &more)
    };
    for name in [
        "leadgate-redis",
        "leadgate-admin-default",
        "leadgate-secrets-default",
    ] {
        for exists in [true, false] {
            let found = mistakes(hydrate(name), |facts| {
                let given = exists.then(|| secret("Opaque", &["token"]));
                facts.secrets.insert(name.into(), given);
            });
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            let (about, reason, message) = &found[0];
            assert_eq!((*about, *reason), (ErrorScope::References, "SecretReserved"));
            for word in [
                "spec.payload.hydrate.tokenSecretRef",
                name,
                "create another Secret",
            ] {
                assert!(message.contains(word), "{word} is not in: {message}");
            }
        }
    }
    for (type_, allowed) in [
        ("kubernetes.io/service-account-token", false),
        ("kubernetes.io/dockercfg", false),
        ("kubernetes.io/dockerconfigjson", false),
        ("bootstrap.kubernetes.io/token", false),
        ("helm.sh/release.v1", false),
        ("kubernetes.io/basic-auth", true),
        ("kubernetes.io/tls", true),
        ("example.com/own", true),
    ] {
        // By the webhook itself and by its sink.
        for (name, field) in [
            ("api", "spec.payload.hydrate"),
            ("crm-token", "CrmSink crm: spec.hubspot"),
        ] {
            let found = mistakes(hydrate("api"), |facts| {
                facts
                    .secrets
                    .insert("api".into(), Some(secret("Opaque", &["token"])));
                facts.secrets.insert(name.into(), Some(secret(type_, &["token"])));
            });
            assert_eq!(found.is_empty(), allowed, "{type_}: {found:?}");
            for (_, reason, message) in &found {
                assert_eq!(*reason, "SecretReserved");
                assert!(message.contains(field) && message.contains(type_), "{message}");
            }
        }
    }
}

#[test]
fn an_operator_may_demand_a_label_on_secrets() {
    let rules = Rules {
        secret_label: true,
        ..Rules::default()
    };
    let labelled = |is: bool| {
        mistakes_under(&rules, webhook("website", ""), |facts| {
            for secret in facts.secrets.values_mut().flatten() {
                Arc::make_mut(secret).labelled = is;
            }
        })
    };
    assert_eq!(labelled(true), []);
    let found = labelled(false);
    let reasons: Vec<_> = found.iter().map(|m| m.1).collect();
    assert_eq!(reasons, ["SecretNotLabelled", "SecretNotLabelled"], "{found:?}");
    for word in [
        "secrets.requireLabel",
        "kubectl label secret web leadgate.dev/use=true",
    ] {
        assert!(found[0].2.contains(word), "{word} is not in: {}", found[0].2);
    }
}

const SHORT: &str = "short";
const PLACEHOLDER: &str = "put-your-key-here";

#[test]
fn what_protects_nothing_is_told() {
    let with = |name: &str, key: &str, content: &str| {
        let webhook = webhook("website", "");
        let mut facts = facts();
        let seen = Seen {
            keys: [(key.to_owned(), Content::new(content))].into(),
            ..Seen::default()
        };
        facts.secrets.insert(name.to_owned(), Some(Arc::new(seen)));
        validate(&Arc::new(webhook), &facts, &Rules::default())
    };
    for (name, key) in [("web", "hmac"), ("crm-token", "token")] {
        let found = with(name, key, PLACEHOLDER).unwrap_err();
        assert_eq!(found[0].reason, Reason::SecretPlaceholder);
        assert!(
            found[0].message.contains("put a value of your own in"),
            "{}",
            found[0].message
        );
    }
    // A short one works: it is told, and stops nothing. What a CRM gives out is not ours to judge.
    let notes = with("web", "hmac", SHORT).unwrap().notes;
    assert_eq!((notes.len(), notes[0].reason), (1, Reason::SecretShort));
    assert!(
        notes[0].message.contains("spec.auth.hmac.secretRefs[0]"),
        "{}",
        notes[0].message
    );
    assert!(with("crm-token", "token", SHORT).unwrap().notes.is_empty());
    assert!(with("web", "hmac", GOOD).unwrap().notes.is_empty());
}

/// What is wrong with a sink that the webhook no longer names costs its other leads nothing, and is told.
#[test]
fn leads_that_wait_for_a_former_sink_stop_nothing() {
    type Change = fn(&mut Dereferenced);
    let nothing: Change = |_| {};
    let gone: Change = |facts| {
        facts.sinks.insert("former".to_owned(), None);
    };
    let kept: Change = |facts| {
        facts.sinks.insert("former".to_owned(), None);
        facts.kept.insert("former".to_owned());
    };
    let broken: Change = |facts| {
        facts.secrets.insert("former-token".to_owned(), None);
    };
    for (change, words) in [
        (nothing, ""),
        (gone, "it does not exist"),
        // It was deleted, and the receivers deliver to it as it was.
        (kept, ""),
        (broken, "there is no Secret former-token"),
    ] {
        let mut facts = facts();
        let mut former = sink();
        former.metadata.name = Some("former".to_owned());
        former.spec.hubspot.as_mut().unwrap().token_secret_ref.name = "former-token".to_owned();
        facts.sinks.insert("former".to_owned(), Some(Arc::new(former)));
        facts
            .secrets
            .insert("former-token".to_owned(), Some(secret("Opaque", &["token"])));
        facts.waiting.insert("former".to_owned(), 3);
        change(&mut facts);
        let plan = validate(&Arc::new(webhook("website", "")), &facts, &Rules::default()).unwrap();
        if words.is_empty() {
            assert!(plan.notes.is_empty());
            continue;
        }
        let note = &plan.notes[0];
        assert_eq!(
            (note.about, note.reason),
            (ErrorScope::Delivery, Reason::SinkGone)
        );
        assert!(
            note.message
                .contains("3 deliveries are pending for CrmSink former")
                && note.message.contains(words)
        );
    }
}

#[test]
fn a_users_name_may_be_short() {
    let mut webhook = webhook("website", "");
    webhook.spec.auth.hmac = None;
    webhook.spec.auth.basic = Some(serde_json::from_value(json!({"secretRef": {"name": "login"}})).unwrap());
    let mut facts = facts();
    let keys = |user: &str, password: &str| Seen {
        keys: [
            ("username".to_owned(), Content::new(user)),
            ("password".to_owned(), Content::new(password)),
        ]
        .into(),
        ..Seen::default()
    };
    let mut notes = |user, password| {
        facts
            .secrets
            .insert("login".to_owned(), Some(Arc::new(keys(user, password))));
        let plan = validate(&Arc::new(webhook.clone()), &facts, &Rules::default()).unwrap();
        plan.notes
            .into_iter()
            .map(|note| note.message)
            .collect::<Vec<_>>()
    };
    assert!(notes(SHORT, GOOD).is_empty());
    let told = notes(GOOD, SHORT);
    assert!(told.len() == 1 && told[0].contains("key password"), "{told:?}");
}

#[test]
fn a_namespace_has_its_own_paths_and_hosts() {
    let rules = Rules {
        hosts: ["leads.example.com", "sales/*.sales.example.com"]
            .map(Into::into)
            .into(),
        ..Rules::default()
    };
    let ingress = |host: &str| format!(", ingress: {{host: {host}}}");
    let gateway = |hosts: &str| format!(", gateway: {{parentRefs: [{{name: edge}}], hostnames: [{hosts}]}}");
    #[rustfmt::skip]
    let table: Vec<(String, &str, &[&str])> = vec![
        (String::new(), "", &[]),
        (", path: /webhooks/marketing/other".into(), "", &[]),
        (", path: /webhooks/website".into(), "", &[]),
        (", path: /leads".into(), "", &[]),
        (", path: /webhooks/sales/website".into(), "PathNotAllowed", &["spec.path", "use /webhooks/marketing/"]),
        (", path: /webhooks/sales/".into(), "PathNotAllowed", &[]),
        (ingress("leads.example.com"), "", &[]),
        (ingress("a.sales.example.com"), "HostNotAllowed", &["spec.ingress.host", "ingress.allowedHosts"]),
        (gateway("leads.example.com"), "", &[]),
        (gateway("leads.example.com, x.example.com"), "HostNotAllowed", &["spec.gateway.hostnames[1]"]),
        (gateway(""), "HostNotAllowed", &["without host names", "name them"]),
    ];
    for (more, reason, words) in table {
        let found = mistakes_under(&rules, webhook("website", &more), |_| {});
        let reasons: Vec<_> = found.iter().map(|m| m.1).collect();
        assert_eq!(reasons.join(","), reason, "{more}: {found:?}");
        for word in words {
            assert!(found[0].2.contains(word), "{word} is not in: {}", found[0].2);
        }
    }
    let anywhere = ingress("a.sales.example.com");
    assert_eq!(
        mistakes(webhook("website", &anywhere), |_| {}),
        [],
        "any host unless the chart says otherwise"
    );
}

#[test]
fn annotations_are_copied_only_if_the_operator_allows_it() {
    let more = ", ingress: {host: a.example.com, annotations: \
        {cert-manager.io/issuer: x, nginx.ingress.kubernetes.io/server-snippet: z}}";
    let plan = |allowed: &[&str]| {
        let rules = Rules {
            annotations: allowed.iter().map(|p| (*p).to_owned()).collect(),
            ..Rules::default()
        };
        let webhook = webhook("website", more);
        validate(&Arc::new(webhook.clone()), &facts(), &rules).unwrap()
    };
    let none = plan(&[]);
    assert!(none.annotations.is_empty());
    let said = &none.notes[0];
    assert_eq!(
        (said.about, said.reason),
        (ErrorScope::Spec, Reason::AnnotationsNotCopied)
    );
    for word in [
        "cert-manager.io/issuer, nginx.ingress.kubernetes.io/server-snippet",
        "spec.ingress.annotations",
        "ingress.allowedAnnotations",
    ] {
        assert!(said.message.contains(word), "{word} is not in: {}", said.message);
    }
    let some = plan(&["cert-manager.io/"]);
    assert_eq!(
        some.annotations.keys().collect::<Vec<_>>(),
        ["cert-manager.io/issuer"]
    );
    assert!(!some.notes[0].message.contains("issuer"));
    assert!(plan(&["cert-manager.io/", "nginx."]).notes.is_empty());
}

/// What it calls, the receiver calls with the rights of its pod.
#[test]
fn a_sink_names_no_local_address() {
    let mistakes = |spec: Value| {
        let sink: CrmSink = serde_json::from_value(json!({
            "apiVersion": "leadgate.dev/v1alpha1",
            "kind": "CrmSink",
            "metadata": {"name": "crm", "namespace": "marketing"},
            "spec": spec,
        }))
        .unwrap();
        let facts = SinkFacts {
            secrets: facts().secrets,
            ..SinkFacts::default()
        };
        match validate_sink(&sink, &facts, &Rules::default()) {
            Ok(()) => Vec::new(),
            Err(mistakes) => mistakes
                .into_iter()
                .map(|m| (m.reason.as_str(), m.message))
                .collect(),
        }
    };
    let rest = |base: &str, token: &str| {
        let secret = json!({"name": "crm-token", "key": "token"});
        json!({"rest": {
            "baseUrl": base,
            "auth": {"oauth2ClientCredentials": {"tokenUrl": token, "clientId": secret, "clientSecret": secret}},
            "upsert": {"path": "'/x'"},
        }})
    };
    assert!(mistakes(rest("https://10.1.2.3", "https://login.example.com")).is_empty());
    let found = mistakes(rest("http://localhost:9090", "https://169.254.169.254/token"));
    let fields = [
        "spec.rest.auth.oauth2ClientCredentials.tokenUrl",
        "spec.rest.baseUrl",
    ];
    assert_eq!(found.len(), fields.len(), "{found:?}");
    for field in fields {
        assert!(
            found
                .iter()
                .any(|(reason, message)| *reason == "LocalAddress" && message.starts_with(field)),
            "{found:?}"
        );
    }
}

#[test]
fn a_client_certificate_needs_somebody_who_checks_it() {
    let found = |tls: &str, forwarded: Value| {
        let mut webhook = webhook("website", "");
        let certificate = json!({"dnsNames": ["client.example.com"], "forwarded": forwarded});
        webhook.spec.auth.client_certificate = Some(serde_json::from_value(certificate).unwrap());
        mistakes(webhook, |facts| {
            facts.receiver = Some(Arc::new(receiver("default", tls)));
        })
    };
    for tls in ["", "tls: {secretRef: {name: leads-tls}}"] {
        let found = found(tls, Value::Null);
        assert_eq!(found.len(), 1, "{tls}: {found:?}");
        let (about, reason, message) = &found[0];
        assert_eq!(
            (*about, *reason),
            (ErrorScope::Spec, "ClientCaMissing"),
            "{message}"
        );
        for word in [
            "spec.tls.clientCaSecretRef of LeadReceiver default",
            "spec.auth.clientCertificate.forwarded",
        ] {
            assert!(message.contains(word), "{word} is not in: {message}");
        }
    }
    let own = "tls: {secretRef: {name: leads-tls}, clientCaSecretRef: {name: senders-ca}}";
    assert!(found(own, Value::Null).is_empty());
    let edge = json!({"header": "X-Forwarded-Client-Cert", "format": "Envoy", "proxies": ["10.0.0.0/8"]});
    assert!(found("", edge).is_empty());
}

#[test]
fn all_mistakes_are_found_at_once() {
    let found = mistakes(webhook("website", ", source: nobody"), |facts| {
        facts.sinks.insert("crm".into(), None);
        facts.secrets.insert("web".into(), None);
    });
    let reasons: Vec<_> = found.iter().map(|m| m.1).collect();
    assert_eq!(reasons, ["PresetUnknown", "SinkMissing", "SecretMissing"]);
}

#[test]
fn paths() {
    let other = |name: &str, namespace: &str, more: &str, created: &str| {
        let mut other = webhook(name, more);
        other.metadata.namespace = Some(namespace.to_owned());
        other.metadata.creation_timestamp = serde_json::from_value(serde_json::json!(created)).unwrap();
        site(&other)
    };
    let early = "2026-11-23T08:00:00Z";
    let late = "2026-11-23T10:00:00Z";
    let host = |name: &str| format!(", path: /a, ingress: {{host: {name}}}");
    let edge = |more: &str| format!("{more}, receiverRef: {{name: edge}}");
    #[rustfmt::skip]
    let table = [
        ("older, same path", ", path: /a".to_owned(), other("x", "marketing", ", path: /a", early), true),
        ("newer, same path", ", path: /a".to_owned(), other("x", "marketing", ", path: /a", late), false),
        ("another namespace, no hosts", ", path: /a".to_owned(), other("x", "sales", ", path: /a", early), false),
        ("other hosts, one receiver", host("a.example.com"), other("x", "marketing", &host("b.example.com"), early), true),
        ("other hosts, another receiver", host("a.example.com"), other("x", "marketing", &edge(&host("b.example.com")), early), false),
        ("another receiver, no hosts", ", path: /a".to_owned(), other("x", "marketing", &edge(", path: /a"), early), false),
        ("same host, another receiver", host("a.example.com"), other("x", "marketing", &edge(&host("a.example.com")), early), true),
        ("same host, another namespace", host("a.example.com"), other("x", "sales", &host("a.example.com"), early), true),
        ("itself", ", path: /a".to_owned(), other("website", "marketing", ", path: /a", early), false),
    ];
    for (case, more, neighbour, clashes) in table {
        let found = mistakes(webhook("website", &more), |facts| {
            facts.neighbours = vec![neighbour.clone()];
        });
        assert_eq!(
            found.iter().any(|m| m.1 == "PathTaken"),
            clashes,
            "{case}: {found:?}"
        );
    }
}
