//! One HTTP exchange: ask the throttle, send, read a bounded answer, tell the throttle how the other side fared.

use std::time::{Duration, Instant};

use http::HeaderMap;
use leadgate_crds::reason::FailureReason;
use reqwest::{Request, RequestBuilder};
use serde_json::Value;

use super::apart::apart;
use super::client::is_refused;
use super::proxy::{self, Trouble};
use crate::causes::is_untrusted;
use crate::failure::Failure;
use crate::json_text;
use crate::throttle::{CrmHealth, Throttle, Throttled};
use crate::trace::Call;

/// More of an answer than any documented body of a batch of 200 has.
const MAX_BODY: usize = 4 << 20;

/// Longer answers are parsed off the serving threads.
const MAX_PARSED_INLINE: usize = 64 << 10;

/// Whom a request goes to, for messages, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer<'a> {
    /// `HubSpot`.
    pub(crate) name: &'a str,
    /// The field that holds its address.
    pub(crate) address: &'a str,
    /// For one call.
    pub(crate) timeout: Duration,
    /// What says how long that is: a field, or the time itself.
    pub(crate) timeout_is: &'a str,
}

impl<'a> Peer<'a> {
    /// One that is called while leads are delivered, so within `delivery.timeout`.
    pub(crate) fn of_delivery(name: &'a str, address: &'a str, timeout: Duration) -> Self {
        Self {
            name,
            address,
            timeout,
            timeout_is: "delivery.timeout",
        }
    }
}

/// What a CRM answered, or something in between (a firewall, a proxy, a maintenance page).
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Body,
}

/// What a body is.
#[derive(Debug, PartialEq)]
pub(crate) enum Body {
    /// What APIs write.
    Json(Value),
    /// Nothing.
    Empty,
    /// A page for people.
    Html,
    /// Some other text.
    Other,
}

impl Body {
    fn of(text: &str) -> Self {
        let plain = text.trim_start_matches('\u{feff}').trim();
        if plain.is_empty() {
            Self::Empty
        } else if let Some(value) = json_text::read(plain.as_bytes()) {
            Self::Json(value)
        } else if plain.starts_with('<') {
            Self::Html
        } else {
            Self::Other
        }
    }
}

impl Reply {
    pub(crate) fn new(status: u16, headers: HeaderMap, text: String) -> Self {
        let body = Body::of(&text);
        Self {
            status,
            headers,
            text,
            body,
        }
    }

    /// The body, if it is JSON; else null.
    pub(crate) fn json(&self) -> &Value {
        match &self.body {
            Body::Json(value) => value,
            Body::Empty | Body::Html | Body::Other => &Value::Null,
        }
    }

    /// Says that this answer is not `crm`'s own.
    pub(crate) fn foreign(&self, crm: &str) -> Failure {
        let what = match self.body {
            _ if self.text.len() >= MAX_BODY => {
                "more than 4 MiB, of which the rest was not read; ask for fewer records"
            }
            Body::Json(_) => "JSON of another kind",
            Body::Empty => "an empty body",
            Body::Html => "an HTML page",
            Body::Other => "a text",
        };
        Failure::new(
            FailureReason::ForeignAnswer,
            format!(
                "not {crm} but something between it and Leadgate (a firewall, a proxy, a maintenance page) answered {} with {what}",
                self.status
            ),
        )
        .with_answer(&self.text)
        .with_status(self.status)
    }
}

/// Whether credentials are refused or have ended: besides 401, in no standard, the words of IIS (440), Esri and others (498).
pub(crate) fn refuses_credentials(status: u16) -> bool {
    matches!(status, 401 | 440 | 498)
}

/// Why a call gave no answer.
#[derive(Debug, Clone)]
pub(crate) enum NoAnswer {
    /// It was not made.
    Throttled(Throttled),
    /// It failed; `true`: the CRM may have carried it out.
    Failed(Failure, bool),
}

/// Sends a request.
pub(crate) async fn exchange(
    request: RequestBuilder,
    peer: Peer<'_>,
    throttle: &dyn Throttle,
) -> Result<Reply, NoAnswer> {
    throttle.acquire().await.map_err(NoAnswer::Throttled)?;
    let started = Instant::now();
    let result = sent(request, peer, |request| throttle.trace(request, peer.name)).await;
    let state = result.as_ref().map_or(CrmHealth::Down, health);
    throttle.count(result.as_ref().ok().map(|reply| reply.status));
    throttle.report(state, started.elapsed()).await;
    result
}

/// The same without a throttle, for sign-ins: they do not count as requests. The caller sees to it that they are few.
pub(crate) async fn send(request: RequestBuilder, peer: Peer<'_>) -> Result<Reply, NoAnswer> {
    sent(request, peer, |_| Call::default()).await
}

async fn sent(
    request: RequestBuilder,
    peer: Peer<'_>,
    trace: impl FnOnce(&Request) -> Call,
) -> Result<Reply, NoAnswer> {
    let (client, request) = request.timeout(peer.timeout).build_split();
    let mut call = request.as_ref().map(trace).unwrap_or_default();
    let answer = match request {
        Ok(request) => {
            apart(
                peer.timeout,
                async move { read(client.execute(request).await?).await },
            )
            .await
        }
        Err(error) => Some(Err(error)),
    };
    let Some(answer) = answer else {
        let why = timed_out(peer, None);
        call.failed(why.reason.as_str());
        return Err(NoAnswer::Failed(why, true));
    };
    let (status, headers, text) = match answer {
        Ok(Answer::Complete {
            status,
            headers,
            text,
        }) => {
            call.answered(status);
            (status, headers, text)
        }
        // Only a proxy says this (RFC 9110, 15.5.8): nothing reached the other side.
        Ok(Answer::OfProxy(proxy)) => {
            call.answered(407);
            let proxy = proxy.unwrap_or_else(|| "in between".to_owned());
            let message = proxied(peer.name, peer.address, &proxy, &Trouble::Credentials);
            return Err(NoAnswer::Failed(
                Failure::new(FailureReason::Unreachable, message),
                false,
            ));
        }
        Err(error) => {
            let why = no_answer(&error, peer);
            call.failed(why.reason.as_str());
            return Err(NoAnswer::Failed(why, !error.is_connect() && !error.is_builder()));
        }
    };
    if text.len() <= MAX_PARSED_INLINE {
        return Ok(Reply::new(status, headers, text));
    }
    tokio::task::spawn_blocking(move || Reply::new(status, headers, text))
        .await
        .map_err(|_| {
            let message = format!("{}'s answer could not be read", peer.name);
            NoAnswer::Failed(Failure::new(FailureReason::UnreadableAnswer, message), true)
        })
}

/// What an answer tells about the CRM itself: it fails, or a page stands in its place.
fn health(reply: &Reply) -> CrmHealth {
    let page = reply.status < 300 && reply.body == Body::Html;
    if reply.status >= 500 || page {
        CrmHealth::Down
    } else {
        CrmHealth::Up
    }
}

/// What came back.
enum Answer {
    Complete {
        status: u16,
        headers: HeaderMap,
        text: String,
    },
    /// A proxy wants other credentials.
    OfProxy(Option<String>),
}

async fn read(response: reqwest::Response) -> Result<Answer, reqwest::Error> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    if status == 407 {
        return Ok(Answer::OfProxy(proxy::of(response.url())));
    }
    let text = bounded_text(response).await?;
    Ok(Answer::Complete {
        status,
        headers,
        text,
    })
}

async fn bounded_text(mut response: reqwest::Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = MAX_BODY.saturating_sub(bytes.len());
        bytes.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if room < chunk.len() {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn timed_out(peer: Peer<'_>, proxy: Option<String>) -> Failure {
    let way = proxy.map(|proxy| format!(" through the proxy {proxy}"));
    Failure::new(
        FailureReason::Timeout,
        format!(
            "{} did not answer{} within {}",
            peer.name,
            way.unwrap_or_default(),
            peer.timeout_is
        ),
    )
}

/// Why there is no answer, without the URL: it may hold an e-mail address.
fn no_answer(error: &reqwest::Error, peer: Peer<'_>) -> Failure {
    let Peer { name, address, .. } = peer;
    let proxy = error.url().and_then(proxy::of);
    if error.is_timeout() {
        timed_out(peer, proxy)
    } else if is_refused(error) {
        Failure::new(
            FailureReason::LocalAddress,
            format!(
                "{name} is not called: the host of {address} resolves to this machine or a link-local address; correct its \
                 DNS entry, or start the receiver with --allow-local-addresses for a simulator"
            ),
        )
    } else if is_untrusted(error) {
        Failure::new(
            FailureReason::Unreachable,
            format!(
                "{name}'s certificate is not trusted; correct it or {address}, or start the receiver with --outbound-ca and the \
                 authority that signed it"
            ),
        )
    } else if error.is_connect() {
        let message = match proxy {
            Some(proxy) => proxied(name, address, &proxy, &Trouble::of(error)),
            None => format!("no connection to {name}; see {address} and the network's egress rules"),
        };
        Failure::new(FailureReason::Unreachable, message)
    } else if error.is_builder() {
        Failure::new(
            FailureReason::InvalidRequest,
            format!("the request to {name} cannot be made: its address is no URL; see {address}"),
        )
    } else {
        Failure::new(
            FailureReason::ConnectionLost,
            format!("the connection to {name} broke before the answer came"),
        )
    }
}

/// What a proxy does not let through, without its password.
fn proxied(name: &str, address: &str, proxy: &str, trouble: &Trouble) -> String {
    match trouble {
        Trouble::Credentials => format!(
            "the proxy {proxy} refuses the user name or password on the way to {name}; correct them in HTTPS_PROXY or HTTP_PROXY"
        ),
        Trouble::Refused => format!(
            "the proxy {proxy} makes no connection to {name}; see its rules and {address}, or name the host in NO_PROXY"
        ),
        Trouble::Other => format!(
            "no connection to {name} through the proxy {proxy}; see HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and the network's \
             egress rules"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_that_is_no_api_s_is_told_from_one_that_is() {
        let table = [
            (r#"{"id": "1"}"#, Body::Json(json!({"id": "1"}))),
            ("\u{feff}\r\n[]", Body::Json(json!([]))),
            ("", Body::Empty),
            (" \n", Body::Empty),
            ("<!DOCTYPE html><title>Blocked</title>", Body::Html),
            ("<?xml version=\"1.0\"?><Error/>", Body::Html),
            ("upstream connect error", Body::Other),
        ];
        for (text, expected) in table {
            assert_eq!(Body::of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_page_in_place_of_a_result_means_that_the_crm_is_down_and_a_refusal_does_not() {
        let table = [
            (200, "{}", CrmHealth::Up),
            (204, "", CrmHealth::Up),
            (200, "<html>maintenance</html>", CrmHealth::Down),
            (403, "<html>blocked</html>", CrmHealth::Up),
            (503, "{}", CrmHealth::Down),
        ];
        for (status, text, expected) in table {
            let reply = Reply::new(status, HeaderMap::new(), text.to_owned());
            assert_eq!(health(&reply), expected, "{status} {text}");
        }
    }

    #[test]
    fn an_answer_that_was_cut_is_said_to_be_too_long() {
        for (text, said) in [
            (" ".repeat(MAX_BODY), "answered 200 with more than 4 MiB"),
            (" ".repeat(MAX_BODY - 1), "answered 200 with an empty body"),
        ] {
            let failure = Reply::new(200, HeaderMap::new(), text).foreign("HubSpot");
            assert!(failure.message.contains(said), "{}", failure.message);
        }
    }

    #[test]
    fn a_foreign_answer_is_named_as_one_and_quotes_nothing_but_in_the_dead_letter() {
        let reply = Reply::new(
            403,
            HeaderMap::new(),
            "<html>ada@example.com\u{1b}[2J</html>".to_owned(),
        );
        let failure = reply.foreign("HubSpot");
        assert!(
            failure.message.contains("403 with an HTML page"),
            "{}",
            failure.message
        );
        assert!(!failure.message.contains("ada"));
        assert!(failure.answer.contains("ada") && !failure.answer.contains('\u{1b}'));
    }
}
