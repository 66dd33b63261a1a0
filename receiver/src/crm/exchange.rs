//! One HTTP exchange with a CRM: ask the gate, send, read a bounded answer, tell the gate how the CRM fared.

use std::time::{Duration, Instant};

use http::HeaderMap;
use reqwest::RequestBuilder;

use super::{Denied, Failure, Gate, Outcome, health};
use crate::outgoing;
use crate::queue::CrmHealth;

/// More of an answer than any documented body of a batch of 200 has.
const LONGEST_BODY: usize = 4 << 20;

/// What a CRM answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Why a call gave no answer.
#[derive(Debug, Clone)]
pub(crate) enum NoAnswer {
    /// It was not made.
    Denied(Denied),
    /// It failed; `true`: the CRM may have carried it out.
    Failed(Failure, bool),
}

impl From<NoAnswer> for Outcome {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::Denied(denied) => Self::Denied(denied),
            NoAnswer::Failed(why, unknown) => Self::Retry {
                after: None,
                why,
                unknown,
            },
        }
    }
}

/// Sends a request. `crm` and `address` are for messages: the CRM's name, and the field that holds its address.
pub(crate) async fn exchange(
    request: RequestBuilder,
    timeout: Duration,
    gate: &dyn Gate,
    crm: &str,
    address: &str,
) -> Result<Reply, NoAnswer> {
    gate.pass().await.map_err(NoAnswer::Denied)?;
    let started = Instant::now();
    let result = send(request, timeout, crm, address).await;
    let state = result
        .as_ref()
        .map_or(CrmHealth::Down, |reply| health(reply.status));
    gate.report(state, started.elapsed()).await;
    result
}

/// The same without a gate, for sign-ins: they do not count as requests. The caller sees to it that they are few.
pub(crate) async fn send(
    request: RequestBuilder,
    timeout: Duration,
    crm: &str,
    address: &str,
) -> Result<Reply, NoAnswer> {
    let result = match request.timeout(timeout).send().await {
        Ok(response) => {
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            bounded_text(response).await.map(|text| Reply {
                status,
                headers,
                text,
            })
        }
        Err(error) => Err(error),
    };
    result.map_err(|error| {
        NoAnswer::Failed(
            no_answer(&error, crm, address),
            !error.is_connect() && !error.is_builder(),
        )
    })
}

async fn bounded_text(mut response: reqwest::Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = LONGEST_BODY.saturating_sub(bytes.len());
        bytes.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if room < chunk.len() {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Why there is no answer, without the URL: it may hold an e-mail address.
fn no_answer(error: &reqwest::Error, crm: &str, address: &str) -> Failure {
    if error.is_timeout() {
        Failure::new("Timeout", format!("{crm} did not answer within delivery.timeout"))
    } else if outgoing::is_refused(error) {
        Failure::new(
            "LocalAddress",
            format!(
                "{crm} is not called: the host of {address} resolves to this machine or a link-local address; correct its \
                 DNS entry, or start the receiver with --allow-local-addresses for a simulator"
            ),
        )
    } else if error.is_connect() {
        Failure::new(
            "Unreachable",
            format!("no connection to {crm}; see {address} and the network's egress rules"),
        )
    } else if error.is_builder() {
        Failure::new(
            "InvalidRequest",
            format!("the request to {crm} cannot be made: its address is no URL; see {address}"),
        )
    } else {
        Failure::new(
            "ConnectionLost",
            format!("the connection to {crm} broke before the answer came"),
        )
    }
}
