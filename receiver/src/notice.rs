//! `spec.notify`, compiled: where to post, and what.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use leadgate_crds::addresses::is_local;
use leadgate_crds::common::Notify;
use reqwest::{RequestBuilder, Url};
use serde_json::{Value, json};

use crate::expression::{Names, Program, Scope};
use crate::outbound::Client;
use crate::secret_value::{ReadSecret, secret_text};

/// More than any service takes.
const LONGEST_BODY: usize = 16 << 10;

/// How many leads need someone, by what they need.
pub(crate) type Counts = BTreeMap<String, u64>;

/// What there may be counts of.
pub(crate) const COUNTS: [&str; 5] = ["dead", "held", "paused", "rejected", "unrouted"];

/// Where to post, and what.
pub struct Notifier {
    url: Url,
    body: Option<Program>,
    link: String,
}

// The URL is a secret.
impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notifier")
    }
}

/// What a notification is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// `LeadWebhook` or `CrmSink`.
    pub(crate) kind: &'static str,
    /// `namespace/name`.
    pub(crate) id: &'a str,
}

impl Notifier {
    /// What is written, compiled, and what is wrong with it: that nobody can be told stops no lead.
    pub(crate) fn of(
        spec: Option<&Notify>,
        read_secret: &ReadSecret<'_>,
    ) -> (Option<Arc<Self>>, Vec<String>) {
        match spec.map(|spec| Self::compile(spec, read_secret)) {
            None => (None, Vec::new()),
            Some(Ok(notifier)) => (Some(Arc::new(notifier)), Vec::new()),
            Some(Err(problems)) => (None, problems),
        }
    }

    /// Compiles; every error names its field and the remedy.
    fn compile(spec: &Notify, read_secret: &ReadSecret<'_>) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let at = "spec.notify.urlSecretRef";
        let text = secret_text(at, &spec.url_secret_ref, "a URL to post to", read_secret);
        let url = text.and_then(|text| {
            let url = std::str::from_utf8(&text)
                .ok()
                .and_then(|text| Url::parse(text).ok());
            let url = url.filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
            // Not the parser's words: they may quote the URL.
            url.ok_or_else(|| {
                let key = &spec.url_secret_ref;
                format!(
                    "{at}: Secret {} key {} is no URL; put one there that begins with https://",
                    key.name, key.key
                )
            })
        });
        let url = url.map_err(|error| errors.push(error)).ok();
        let body = spec
            .body
            .as_ref()
            .map(|body| Program::compile(body.as_str(), &Names::NOTICE));
        let body = body
            .transpose()
            .map_err(|error| errors.push(format!("spec.notify.body: {error}")));
        match (url, body, errors.is_empty()) {
            (Some(url), Ok(body), true) => Ok(Self {
                url,
                body,
                link: spec.link.clone().unwrap_or_default(),
            }),
            _ => Err(errors),
        }
    }

    /// The request that tells of `counts`; an error says which field to correct.
    pub(crate) fn request(
        &self,
        client: &Client,
        subject: Subject<'_>,
        counts: &Counts,
    ) -> Result<RequestBuilder, String> {
        if !client.may_call_local() && is_local_address(&self.url) {
            return Err(
                "spec.notify.urlSecretRef: the URL's host is this machine or its network segment, which is not called"
                    .to_owned(),
            );
        }
        let request = client.post(self.url.clone());
        match self.body_of(subject, counts)? {
            Value::String(text) if text.len() <= LONGEST_BODY => Ok(request
                .header(CONTENT_TYPE, "text/plain; charset=utf-8")
                .body(text)),
            Value::String(_) => Err("spec.notify.body: it gives more than 16 KiB".to_owned()),
            body => Ok(request.json(&body)),
        }
    }

    fn body_of(&self, subject: Subject<'_>, counts: &Counts) -> Result<Value, String> {
        let message = message(subject, counts, &self.link);
        let Some(program) = &self.body else {
            return Ok(json!({"text": message}));
        };
        let (namespace, name) = subject.id.split_once('/').unwrap_or(("", subject.id));
        let [message, link] = [&message, &self.link].map(|text| Value::from(text.as_str()));
        let object = json!({"kind": subject.kind, "namespace": namespace, "name": name});
        // An expression may name any of them, whatever it is about.
        let mut all: Counts = COUNTS.map(|what| (what.to_owned(), 0)).into();
        all.extend(counts.clone());
        let counts = json!(all);
        let scope = Scope::new()
            .with("message", &message)
            .with("object", &object)
            .with("link", &link)
            .with("counts", &counts);
        match program.evaluate(&scope) {
            Ok(Some(body)) => Ok(body),
            Ok(None) => Err("spec.notify.body: it gives nothing".to_owned()),
            Err(error) => Err(format!("spec.notify.body: {error}")),
        }
    }
}

fn is_local_address(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .is_ok_and(is_local)
}

/// For a person, without personal data.
fn message(subject: Subject<'_>, counts: &Counts, link: &str) -> String {
    let words: Vec<String> = counts
        .iter()
        .filter(|(what, count)| **count > 0 && COUNTS.contains(&what.as_str()))
        .map(|(what, count)| match (what.as_str(), count) {
            ("paused", _) => "its deliveries are paused".to_owned(),
            (what, 1) => format!("1 lead is {what}"),
            (what, count) => format!("{count} leads are {what}"),
        })
        .collect();
    let Subject { kind, id } = subject;
    let namespace = id.split('/').next().unwrap_or_default();
    let see = if link.is_empty() {
        format!("kubectl leadgate status -n {namespace}")
    } else {
        link.to_owned()
    };
    format!("{kind} {id} needs someone: {}. See {see}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBHOOK: Subject<'_> = Subject {
        kind: "LeadWebhook",
        id: "sales/website",
    };

    fn notifier(spec: &Value, url: &str) -> Result<Notifier, Vec<String>> {
        let spec = serde_json::from_value(spec.clone()).unwrap();
        Notifier::compile(&spec, &|_, _| Ok(url.as_bytes().to_vec()))
    }

    fn counts(list: &[(&str, u64)]) -> Counts {
        list.iter()
            .map(|(what, count)| ((*what).to_owned(), *count))
            .collect()
    }

    #[test]
    fn a_message_has_counts_and_a_link() {
        for (list, link, expected) in [
            (
                &[("dead", 2), ("held", 0), ("rejected", 1)][..],
                "",
                "LeadWebhook sales/website needs someone: 2 leads are dead, 1 lead is rejected. See kubectl leadgate status -n sales",
            ),
            (
                &[("paused", 1)],
                "https://leads.example.com/console",
                "LeadWebhook sales/website needs someone: its deliveries are paused. See https://leads.example.com/console",
            ),
        ] {
            assert_eq!(message(WEBHOOK, &counts(list), link), expected);
        }
    }

    #[test]
    fn a_body_is_what_the_service_wants() {
        let reference = json!({"name": "chat", "key": "url"});
        let dead = counts(&[("dead", 2)]);
        for (body, expected) in [
            (
                None,
                json!({"text": "LeadWebhook sales/website needs someone: 2 leads are dead. See kubectl leadgate status -n sales"}),
            ),
            (
                Some("object.kind + ' ' + object.name + ': ' + string(counts.dead)"),
                json!("LeadWebhook website: 2"),
            ),
            (
                Some("{'title': object.namespace, 'n': counts.dead}"),
                json!({"title": "sales", "n": 2}),
            ),
        ] {
            let mut spec = json!({"urlSecretRef": reference});
            if let Some(body) = body {
                spec["body"] = body.into();
            }
            let notifier = notifier(&spec, "https://chat.example.com/hook").unwrap();
            assert_eq!(notifier.body_of(WEBHOOK, &dead).unwrap(), expected);
        }
    }

    #[test]
    fn mistakes_name_the_field_and_never_the_url() {
        let reference = json!({"name": "chat", "key": "url"});
        for (spec, url, field) in [
            (
                json!({"urlSecretRef": reference}),
                "hooks.s3cret.example/x",
                "urlSecretRef",
            ),
            (
                json!({"urlSecretRef": reference}),
                "ftp://s3cret.example/x",
                "urlSecretRef",
            ),
            (json!({"urlSecretRef": reference}), " ", "urlSecretRef"),
            (
                json!({"urlSecretRef": reference, "body": "lead.email"}),
                "https://s3cret.example/x",
                "notify.body",
            ),
        ] {
            let errors = notifier(&spec, url).unwrap_err().join("\n");
            assert!(errors.contains(field) && !errors.contains("s3cret"), "{errors}");
        }
        let local = notifier(
            &json!({"urlSecretRef": reference}),
            "http://169.254.169.254/latest",
        )
        .unwrap();
        let client = Client::new(false, None).unwrap();
        let error = local
            .request(&client, WEBHOOK, &counts(&[("dead", 1)]))
            .unwrap_err();
        assert!(error.contains("not called"), "{error}");
    }
}
