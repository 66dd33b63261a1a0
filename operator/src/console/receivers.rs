//! The receivers of namespaces: where they are, the token that their admin address wants, and what they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use leadgate_console::{Answer, Call, Failure, IDEMPOTENCY_KEY};
use leadgate_crds::LeadWebhook;
use leadgate_crds::lead_receiver::DEFAULT_RECEIVER;
use leadgate_crds::lenient::Lenient;
use leadgate_crds::report::Report;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::cache::Cache;
use super::reviews::away;
use crate::cli::Scope;
use crate::names;
use crate::receivers::ADMIN_PORT;

/// The header in which receivers are told for whom they are asked.
const USER: &str = "leadgate-user";
/// How long the list of webhooks counts.
const LIST_LIFE: Duration = Duration::from_secs(10);
/// How long a token counts without another look at its Secret.
const TOKEN_LIFE: Duration = Duration::from_mins(1);
const MOST_TOKENS: usize = 10_000;
/// As kubectl: a list of any length arrives in pieces.
const PAGE: u32 = 500;
const CONNECT: Duration = Duration::from_secs(3);
/// A search through a long ledger takes its time.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Of an answer: a page of leads with their payloads.
const LONGEST_ANSWER: usize = 16 << 20;

/// Where the receivers of a LeadReceiver are, for its namespace and name: a host and a port.
pub type Whereabouts = Arc<dyn Fn(&str, &str) -> String + Send + Sync>;

/// By the headless Service of the admin port: a name in DNS, for which no right is needed.
pub fn by_service(namespace: &str, receiver: &str) -> String {
    format!("{}.{namespace}.svc:{ADMIN_PORT}", names::admin(receiver))
}

/// What is known of a namespace by its webhooks.
#[derive(Clone, Debug, Default)]
struct Place {
    receivers: BTreeSet<String>,
    /// Where senders post to, by webhook.
    urls: BTreeMap<String, String>,
}

impl Place {
    /// The receiver to ask: all of a namespace know all of its webhooks, and share its queue.
    fn receiver(&self) -> &str {
        let first = self.receivers.first().map_or(DEFAULT_RECEIVER, String::as_str);
        self.receivers.get(DEFAULT_RECEIVER).map_or(first, String::as_str)
    }
}

/// All receivers that the console may ask.
pub(super) struct Receivers {
    client: Client,
    scopes: Vec<Scope>,
    whereabouts: Whereabouts,
    http: Http<HttpConnector, Full<Bytes>>,
    places: Cache<(), Arc<BTreeMap<String, Place>>>,
    tokens: Cache<(String, String), String>,
}

impl Receivers {
    pub(super) fn new(client: Client, scopes: Vec<Scope>, whereabouts: Whereabouts) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        Self {
            client,
            scopes,
            whereabouts,
            http: Http::builder(TokioExecutor::new()).build(connector),
            places: Cache::new(LIST_LIFE, 1),
            tokens: Cache::new(TOKEN_LIFE, MOST_TOKENS),
        }
    }

    /// The namespaces that have webhooks.
    pub(super) async fn namespaces(&self) -> Result<Vec<String>, Failure> {
        Ok(self.places().await?.keys().cloned().collect())
    }

    /// Where senders post to.
    pub(super) async fn url(&self, namespace: &str, webhook: &str) -> Option<String> {
        let places = self.places().await.ok()?;
        let name = webhook.split_once('/').map_or(webhook, |(_, name)| name);
        places.get(namespace)?.urls.get(name).cloned()
    }

    async fn places(&self) -> Result<Arc<BTreeMap<String, Place>>, Failure> {
        if let Some(known) = self.places.get(&()) {
            return Ok(known);
        }
        let mut places: BTreeMap<String, Place> = BTreeMap::new();
        for scope in &self.scopes {
            let api: Api<Lenient<LeadWebhook>> = crate::context::api(&self.client, scope);
            let mut params = ListParams::default().limit(PAGE);
            loop {
                let page = api.list(&params).await.map_err(|error| away(&error))?;
                for Lenient { object: webhook, .. } in page.items {
                    let place = places.entry(webhook.namespace().unwrap_or_default()).or_default();
                    place.receivers.insert(webhook.spec.receiver_ref.name.clone());
                    let url = webhook.status.as_ref().and_then(|status| status.url.clone());
                    place.urls.extend(url.map(|url| (webhook.name_any(), url)));
                }
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => params = params.continue_token(&token),
                    None => break,
                }
            }
        }
        let places = Arc::new(places);
        self.places.put((), Arc::clone(&places));
        Ok(places)
    }

    /// Asks a receiver of a namespace, in somebody's name. What processes count of themselves is added up.
    pub(super) async fn ask(&self, namespace: &str, call: &Call, user: &str) -> Result<Answer, Failure> {
        let places = self.places().await?;
        let place = places
            .get(namespace)
            .ok_or_else(|| Failure::new(404, "the namespace has no LeadWebhook"))?;
        let name = (namespace.to_owned(), place.receiver().to_owned());
        let host = (self.whereabouts)(namespace, &name.1);
        let found = tokio::net::lookup_host(&host).await;
        let found =
            found.map_err(|error| Failure::new(502, format!("receivers of {namespace}: {host}: {error}")))?;
        // In a fixed order, so that one page after another comes from the same pod while it works.
        let pods: BTreeSet<SocketAddr> = found.collect();
        let answer = self.ask_first(&name, &pods, call, user).await?;
        if call.method != Method::GET || call.path != "/status" || pods.len() < 2 || answer.status != 200 {
            return Ok(answer);
        }
        let name = &name;
        let others = pods.iter().map(|pod| async move {
            let answer = self
                .ask_first(name, &BTreeSet::from([*pod]), call, user)
                .await
                .ok()?;
            serde_json::from_slice::<Report>(&answer.body).ok()
        });
        let reports: Vec<Report> = futures::future::join_all(others)
            .await
            .into_iter()
            .flatten()
            .collect();
        let body = add_up(reports).and_then(|report| serde_json::to_vec(&report).ok());
        Ok(body.map_or(answer, |body| Answer {
            status: 200,
            body: body.into(),
        }))
    }

    /// Asks the first that can be connected to: what was sent to one is never sent to another.
    async fn ask_first(
        &self,
        name: &(String, String),
        pods: &BTreeSet<SocketAddr>,
        call: &Call,
        user: &str,
    ) -> Result<Answer, Failure> {
        let mut why = format!("receivers of {}: there are none", name.0);
        for pod in pods {
            for is_again in [false, true] {
                let token = self.token(name).await?;
                match self.exchange(*pod, &token, call, user).await {
                    // The token was made anew.
                    Ok(answer) if answer.status == 401 && !is_again => self.tokens.forget(name),
                    Ok(answer) => return Ok(answer),
                    Err(Unsent { error, is_unsent }) => {
                        why = format!("receivers of {}: {error}", name.0);
                        if !is_unsent {
                            return Err(Failure::new(502, why));
                        }
                        break;
                    }
                }
            }
        }
        Err(Failure::new(502, why))
    }

    async fn exchange(
        &self,
        pod: SocketAddr,
        token: &str,
        call: &Call,
        user: &str,
    ) -> Result<Answer, Unsent> {
        let unsent = |error: String| Unsent {
            error,
            is_unsent: true,
        };
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| unsent(error.to_string()))?;
        bearer.set_sensitive(true);
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("http://{pod}{}", call.path))
            .header(AUTHORIZATION, bearer)
            .header(USER, told(user));
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = &call.key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let request = request.body(Full::from(call.body.clone().unwrap_or_default()));
        let request = request.map_err(|error| unsent(error.to_string()))?;
        let answered = async {
            let answer = self.http.request(request).await.map_err(|error| Unsent {
                is_unsent: error.is_connect(),
                error: error.to_string(),
            })?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
            let body = body.map_err(|error| Unsent {
                error: format!("{error} (up to 16 MiB can be shown; kubectl leadgate shows more)"),
                is_unsent: false,
            })?;
            Ok(Answer {
                status,
                body: body.to_bytes(),
            })
        };
        match tokio::time::timeout(TIMEOUT, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(Unsent {
                error: format!("no answer in {} s", TIMEOUT.as_secs()),
                is_unsent: false,
            }),
        }
    }

    async fn token(&self, name: &(String, String)) -> Result<String, Failure> {
        if let Some(known) = self.tokens.get(name) {
            return Ok(known);
        }
        let secret = names::admin(&name.1);
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &name.0);
        let found = api.get(&secret).await.map_err(|error| {
            let words = crate::api_error::words(&error);
            tracing::warn!(namespace = name.0, secret, error = words, "no admin token");
            let hint = "if it is forbidden, name the LeadReceiver in console.receivers of the chart";
            Failure::new(502, format!("Secret {secret} of {}: {words}; {hint}", name.0))
        })?;
        let token = found.data.unwrap_or_default().remove("token");
        let token = token.and_then(|token| String::from_utf8(token.0).ok());
        let token = token.ok_or_else(|| Failure::new(502, format!("Secret {secret} has no token")))?;
        self.tokens.put(name.clone(), token.clone());
        Ok(token)
    }
}

/// Why there is no answer, and whether the request was sent.
struct Unsent {
    error: String,
    is_unsent: bool,
}

/// One report of several pods: the first, which tells what the store holds, with what each process counted.
fn add_up(reports: Vec<Report>) -> Option<Report> {
    let mut reports = reports.into_iter();
    let mut sum = reports.next()?;
    for other in reports {
        for ours in &mut sum.sinks {
            if let Some(theirs) = other.sinks.iter().find(|sink| sink.name == ours.name) {
                ours.calls.last_minute += theirs.calls.last_minute;
                ours.calls.leads += theirs.calls.leads;
            }
        }
        for ours in &mut sum.webhooks {
            let Some(theirs) = other.webhooks.iter().find(|webhook| webhook.name == ours.name) else {
                continue;
            };
            ours.leads.process = [ours.leads.process, theirs.leads.process].into_iter().sum();
            for (ours, theirs) in ours.proofs.iter_mut().zip(&theirs.proofs) {
                *ours += theirs;
            }
        }
    }
    Some(sum)
}

/// Of a name: what a receiver enters.
const LONGEST_NAME: usize = 64;
/// What of a name is not visible ASCII, and what stands for it.
const UNSEEN: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
/// Of a longer one that is cut, the digest of the whole.
const DIGEST: usize = 16;

/// A name as receivers enter it: 64 visible ASCII characters. Two names never become one.
fn told(user: &str) -> String {
    let written = utf8_percent_encode(user, UNSEEN).to_string();
    match written.get(..LONGEST_NAME - DIGEST - 1) {
        Some(start) if written.len() > LONGEST_NAME => {
            let digest = hex::encode(Sha256::digest(user));
            format!("{start}~{}", digest.get(..DIGEST).unwrap_or(&digest))
        }
        _ => written,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_processes_count_is_added_and_what_the_store_counts_is_not() {
        let report = |unauthorized: i64, accepted: i64| {
            let report = json!({"webhooks": [{"name": "a/b", "proofs": [1, unauthorized],
                "leads": {"accepted": accepted, "unauthorized": unauthorized}}],
                "sinks": [{"name": "a/s", "calls": {"lastMinute": unauthorized, "leads": 7, "allowed": 600}}]});
            serde_json::from_value::<Report>(report).unwrap()
        };
        let sum = add_up(vec![report(2, 9), report(3, 9)]).unwrap();
        let webhook = sum.webhooks.first().unwrap();
        assert_eq!(webhook.leads.process.unauthorized, 5);
        assert_eq!(webhook.leads.stored.accepted, 9);
        assert_eq!(webhook.proofs, [2, 5]);
        let calls = sum.sinks.first().unwrap().calls;
        assert_eq!((calls.last_minute, calls.leads, calls.allowed), (5, 14, 600));
        assert!(add_up(Vec::new()).is_none());
    }

    #[test]
    fn names_stay_apart() {
        for (name, entered) in [
            ("vera@example.com", "vera@example.com"),
            (
                "system:serviceaccount:sales:vera",
                "system:serviceaccount:sales:vera",
            ),
            ("Zoë M", "Zo%C3%AB%20M"),
            ("100%", "100%25"),
        ] {
            assert_eq!(told(name), entered);
        }
        let [a, b] = ["a", "b"].map(|end| told(&format!("{}{end}", "x".repeat(90))));
        assert!(a != b && a.len() == LONGEST_NAME, "{a} {b}");
        assert_eq!(told(&"x".repeat(64)).len(), 64);
    }

    #[test]
    fn the_default_receiver_is_asked_where_there_is_one() {
        let place = |names: &[&str]| Place {
            receivers: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Place::default()
        };
        assert_eq!(place(&["a", "default", "z"]).receiver(), "default");
        assert_eq!(place(&["z", "b"]).receiver(), "b");
        assert_eq!(
            by_service("sales", "default"),
            "leadgate-admin-default.sales.svc:9090"
        );
    }
}
