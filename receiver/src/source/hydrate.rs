//! Thin payloads: what a notification does not hold is fetched from the sender's API, from a fixed host, when the lead
//! is delivered. Here: what to fetch, and what the answer means. The call itself is made by `delivery`.

use http::{HeaderMap, HeaderName, HeaderValue};
use leadgate_crds::lead_webhook::Hydrate;
use serde_json::Value;

use super::fields::Fields;
use super::preset::PresetHydrate;
use super::submission::NoLead;
use crate::expression::{Names, Program, Scope, Wanted};
use crate::lead::{self, Field, Lead, Limits, Problem, Verdict};
use crate::outbound;
use crate::secret_value::ReadSecret;

/// A compiled `payload.hydrate`.
#[derive(Debug)]
pub struct Hydrator {
    base_url: String,
    path: Program,
    /// The token's header.
    pub header: HeaderName,
    /// Its value; marked sensitive.
    pub token: HeaderValue,
    /// What else the API wants, such as its version.
    pub headers: HeaderMap,
    /// Whether what was fetched is a lead.
    accept: Option<Program>,
    fields: Fields,
}

impl Hydrator {
    /// Compiles with its token; every error names its field.
    pub fn compile(
        own: &Hydrate,
        preset: Option<&PresetHydrate>,
        read_secret: &ReadSecret<'_>,
    ) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let at = "spec.payload.hydrate";
        let Some(base_url) = own.base_url.as_deref().or(preset.map(|p| p.base_url.as_str())) else {
            return Err(vec![format!(
                "{at}.baseUrl: this sender has no known API; write its address"
            )]);
        };
        let Some(path) = own.path.as_ref().or(preset.map(|p| &p.path)) else {
            return Err(vec![format!(
                "{at}.path: this sender has no known API; write the path of one lead as CEL"
            )]);
        };
        let path = Program::compile_to(path.as_str(), &Names::REQUEST, Wanted::Text)
            .map_err(|e| errors.push(format!("{at}.path: {e}")))
            .ok();
        let name = own
            .header
            .as_deref()
            .or(preset.and_then(|p| p.header.as_deref()))
            .unwrap_or("authorization");
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| errors.push(format!("{at}.header: `{name}` is not a header name")))
            .ok();
        let scheme = own
            .scheme
            .as_deref()
            .or(preset.and_then(|p| p.scheme.as_deref()))
            .unwrap_or("Bearer");
        let token = token(own, scheme, read_secret)
            .map_err(|e| errors.push(format!("{at}.tokenSecretRef: {e}")))
            .ok();
        let mut headers = HeaderMap::new();
        for (name, value) in preset.iter().flat_map(|p| &p.headers).chain(&own.headers) {
            match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
                _ => errors.push(format!(
                    "{at}.headers.{name}: this is no header; write a name of letters, digits and hyphens, and a value of visible characters"
                )),
            }
        }
        let accept = own.accept.as_ref().or(preset.and_then(|p| p.accept.as_ref()));
        let accept = accept.and_then(|accept| {
            Program::compile_to(accept.as_str(), &Names::HYDRATED, Wanted::Condition)
                .map_err(|e| errors.push(format!("{at}.accept: {e}")))
                .ok()
        });
        let known = preset.map(|p| p.lead.clone()).unwrap_or_default();
        let fields = Fields::compile(
            &own.lead,
            &known,
            &format!("{at}.lead"),
            &Names::HYDRATED,
            &mut errors,
        );
        match (path, header, token, errors.as_slice()) {
            (Some(path), Some(header), Some(token), []) => {
                let base_url = base_url.trim_end_matches('/').to_owned();
                Ok(Self {
                    base_url,
                    path,
                    header,
                    token,
                    headers,
                    accept,
                    fields,
                })
            }
            _ => Err(errors),
        }
    }

    /// The names of the lead's own fields that an answer fills.
    pub(super) fn custom_fields(&self) -> impl Iterator<Item = &str> {
        self.fields.custom_fields()
    }

    /// The expression that gives the path.
    pub(super) fn path(&self) -> &Program {
        &self.path
    }

    /// The expressions that read an answer, and the notification as `item`.
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.fields.programs().chain(&self.accept)
    }

    /// The fields that a fetched answer fills.
    pub(super) fn mapped_fields(&self) -> impl Iterator<Item = String> {
        self.fields.names()
    }

    /// Those that the webhook itself maps, not its preset.
    pub(super) fn own_fields(&self) -> impl Iterator<Item = &str> {
        self.fields.own()
    }

    /// Where one lead's fields are. The path comes from the notification; the host cannot.
    pub fn url(&self, scope: &Scope<'_>) -> Result<String, Problem> {
        let problem = |message: String| Problem::new("", "HydrateFailed", message);
        match self.path.evaluate(scope) {
            Ok(Some(Value::String(path))) if path.starts_with('/') && path.len() <= 2048 => {
                outbound::stays_below(&path)
                    .map_err(|reason| problem(format!("payload.hydrate.path: {reason}")))?;
                Ok(format!("{}{path}", self.base_url))
            }
            Ok(_) => Err(problem("payload.hydrate.path does not return a path that starts with '/': the notification does not have the expected form".to_owned())),
            Err(error) => Err(error.problem("", "HydrateFailed")),
        }
    }

    /// The lead that an answer holds, over what the notification already told, and the fields that were left out.
    pub fn read(
        &self,
        answer: &Value,
        notification: &Value,
        known: Lead,
        region: Option<&str>,
        limits: &Limits,
    ) -> Result<(Lead, Vec<Problem>), NoLead> {
        let captured = known.get(Field::CapturedAt).map(str::to_owned);
        let mut lead = known;
        let scope = Scope::new().with("payload", answer).with("item", notification);
        let is_lead = self
            .accept
            .as_ref()
            .map_or(Ok(true), |accept| accept.test(&scope));
        if !is_lead.map_err(|error| vec![error.problem("", "AcceptFailed")])? {
            return Err(NoLead::Ignored(
                "the fetched record is not a lead, by payload.hydrate.accept",
            ));
        }
        let unread = self.fields.fill(&mut lead, &scope);
        let Verdict { notes, problems } = lead::judge(&mut lead, unread, region, limits);
        if let (None, Some(captured)) = (lead.get(Field::CapturedAt), captured) {
            lead.set(Field::CapturedAt, captured);
        }
        if problems.is_empty() {
            Ok((lead, notes))
        } else {
            Err(problems.into())
        }
    }
}

fn token(own: &Hydrate, scheme: &str, read_secret: &ReadSecret<'_>) -> Result<HeaderValue, String> {
    let secret = &own.token_secret_ref;
    let token = read_secret(&secret.name, &secret.key)?;
    let token = token.trim_ascii();
    if token.is_empty() {
        return Err(format!("Secret {} key {} is empty", secret.name, secret.key));
    }
    let value = if scheme.is_empty() {
        token.to_vec()
    } else {
        [scheme.as_bytes(), b" ", token].concat()
    };
    let mut value =
        HeaderValue::from_bytes(&value).map_err(|_| format!("Secret {} holds no token", secret.name))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A lead whose fields are still to be fetched needs neither e-mail nor phone yet.
pub(super) fn lacks_only_contact(problem: &Problem) -> bool {
    problem.reason == "ContactMissing"
        || (problem.reason == "Required" && Field::ALL.iter().any(|f| f.name() == problem.field))
}
