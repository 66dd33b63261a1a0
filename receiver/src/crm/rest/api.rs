//! The calls to the CRM, each one request: credentials, send, classify.

use std::sync::Arc;

use reqwest::{Method, RequestBuilder};

use super::answer::{Seen, classify};
use super::auth::{Credentials, Tokens};
use super::description::{Call, Settings, Write};
use super::request::{Request, Variables, request};
use crate::crm::answer::Answer;
use crate::crm::{Outcome, Throttle, Upsert};
use crate::outbound::{Client, NoAnswer, Peer, Reply, exchange, refuses_credentials};

/// A CRM's API, as a sink describes it.
pub(super) struct Api {
    settings: Arc<Settings>,
    client: Client,
    tokens: Tokens,
}

impl Api {
    pub(super) fn new(settings: Arc<Settings>, client: Client) -> Self {
        Self {
            settings,
            client,
            tokens: Tokens::default(),
        }
    }

    /// One call about a lead, and what its answer means.
    pub(super) async fn call(
        &self,
        call: &Call,
        write: Option<&Write>,
        lead: &Upsert,
        variables: &Variables<'_>,
        throttle: &dyn Throttle,
    ) -> Result<(Answer, Seen), Outcome> {
        let request = request(&self.settings.base_url, call, variables).map_err(Outcome::Reject)?;
        let may_create = matches!(call.name, "create" | "upsert");
        let reply = self
            .send(&call.method, &request, throttle)
            .await
            .map_err(|outcome| match outcome {
                // Only a lost write that may have made a record is a matter of duplicates.
                Outcome::Retry { after, why, in_doubt } => Outcome::Retry {
                    after,
                    why,
                    in_doubt: in_doubt && may_create,
                },
                other => other,
            })?;
        let seen = Seen::new(reply, call.name);
        let sent: Vec<&str> = lead.for_create().map(|(name, _)| name.as_str()).collect();
        let id = write.and_then(|write| write.id.as_ref());
        Ok((classify(&self.settings.answers, &seen, id, &sent), seen))
    }

    /// Sends a request; once more with a new token, when the CRM says that the old one has ended.
    pub(super) async fn send(
        &self,
        method: &Method,
        request: &Request,
        throttle: &dyn Throttle,
    ) -> Result<Reply, Outcome> {
        let credentials = self.credentials(throttle).await?;
        let reply = self.send_with(method, request, &credentials, throttle).await?;
        if !refuses_credentials(reply.status) || !credentials.renewable() {
            return Ok(reply);
        }
        self.tokens.refused(&credentials).await;
        let credentials = self.credentials(throttle).await?;
        Ok(self.send_with(method, request, &credentials, throttle).await?)
    }

    async fn credentials(&self, throttle: &dyn Throttle) -> Result<Credentials, Outcome> {
        let settings = &self.settings;
        self.tokens
            .credentials(&settings.auth, &self.client, settings.timeout, throttle)
            .await
    }

    async fn send_with(
        &self,
        method: &Method,
        request: &Request,
        credentials: &Credentials,
        throttle: &dyn Throttle,
    ) -> Result<Reply, NoAnswer> {
        let settings = &self.settings;
        let mut builder: RequestBuilder = self
            .client
            .request(method.clone(), &request.url)
            .header(http::header::ACCEPT, "application/json");
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        // The sink's own headers replace these.
        builder = builder
            .headers(settings.headers.clone())
            .headers(request.headers.clone())
            .header(&credentials.name, credentials.value.clone());
        let peer = Peer::of_delivery("the CRM", "rest.baseUrl", settings.timeout);
        exchange(builder, peer, throttle).await
    }
}
