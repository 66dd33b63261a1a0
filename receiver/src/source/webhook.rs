//! A LeadWebhook with its preset and secrets, compiled: what the others run on.

mod compile;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use leadgate_crds::lead_webhook::{Format, ItemsPolicy};
use serde_json::Value;

use super::auth::{AddressRule, CertificateRule, Verifier};
use super::challenge::Challenge;
use super::fields::Fields;
use super::hydrate::Hydrator;
use super::kept::Kept;
use super::refusal::OVERLOOKED;
use super::schema::PayloadSchema;
use super::submission::NoLead;
use crate::expression::{Program, Scope, has_address};
use crate::ids::{SinkId, WebhookId};
use crate::lead::{Field, Lead, Limits, Problem};
use crate::notice::Notifier;

/// How long a resend is recognised by a digest of its body, where the webhook does not say: a person may submit the same
/// form twice and mean it.
pub(super) const DIGEST_WINDOW: Duration = Duration::from_mins(10);

const OVERLOOKED_WORDS: &str = "no field of the mapping finds a contact, but the payload holds an e-mail address; map it in payload.lead.email and replay the request";

/// A compiled webhook.
#[derive(Debug)]
pub struct Webhook {
    /// `namespace/name`.
    pub id: WebhookId,
    /// Its path.
    pub path: String,
    /// The LeadReceiver that serves it, in its namespace.
    pub receiver: String,
    /// Longest body in bytes.
    pub max_bytes: usize,
    /// Who may post.
    pub verifier: Verifier,
    /// What the sender asks before it sends leads.
    pub challenges: Vec<Challenge>,
    /// From where.
    pub addresses: AddressRule,
    /// With whose client certificate; `None`: none is asked for.
    pub certificate: Option<CertificateRule>,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: usize,
    /// Answer 503.
    pub suspended: bool,
    /// How long what was rejected is kept.
    pub keep_rejected: Duration,
    /// How long dead leads are kept.
    pub keep_dead: Duration,
    /// How long held leads are kept.
    pub keep_held: Duration,
    /// How long the payloads of delivered leads are kept.
    pub keep_payloads: Duration,
    /// Whether payloads are stored as they came (`payload.keep`).
    pub keep_whole: bool,
    /// How long entries of the ledger are kept.
    pub keep_entries: Duration,
    /// Whom to tell when leads need someone.
    pub notifier: Option<Arc<Notifier>>,
    /// Why nobody can be told, although somebody is to be.
    pub notify_problems: Vec<String>,
    /// How long 99 of 100 leads may take to be delivered (`spec.objectives.speedToLead`).
    pub objective: Option<Duration>,
    /// Where leads go.
    pub sinks: Vec<Route>,
    /// Whether its sender only notifies of leads.
    pub is_thin: bool,
    /// Where the fields of thin payloads are fetched.
    pub hydrate: Option<Hydrator>,
    pub(super) format: Format,
    pub(super) accept: Option<Program>,
    pub(super) items: Option<Program>,
    pub(super) items_policy: ItemsPolicy,
    pub(super) fields: Fields,
    pub(super) region: Option<String>,
    pub(super) limits: Limits,
    pub(super) rules: Vec<Rule>,
    pub(super) schema: Option<PayloadSchema>,
    /// The webhook's own, which takes the place of the preset's.
    pub(super) key: Option<Program>,
    pub(super) preset_key: Option<Program>,
    /// Whether an event without e-mail address and phone number is not a lead rather than a bad one.
    pub(super) ignore_without_contact: bool,
    pub(super) window: Duration,
    pub(super) digest_window: Duration,
    /// `{name, namespace}` for expressions.
    pub(super) value: Value,
    pub(super) needs: Needs,
}

/// One sink and the leads it gets.
#[derive(Debug)]
pub struct Route {
    /// The sink.
    pub sink: SinkId,
    /// Which leads; absent: all, unless `otherwise`.
    pub when: Option<Program>,
    /// The leads that no other sink takes.
    pub otherwise: bool,
}

/// A rule of the webhook's own.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) program: Program,
    pub(super) message: String,
    pub(super) field: String,
}

/// Which views of the request, and whether that of the lead, any expression looks at; the others are not made.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Needs {
    pub(super) headers: bool,
    pub(super) query: bool,
    pub(super) lead: bool,
}

impl Webhook {
    /// The fields that it maps itself, beyond its preset, such as `email` and `custom.budget`.
    pub fn own_fields(&self) -> BTreeSet<&str> {
        let fetched = self.hydrate.iter().flat_map(Hydrator::own_fields);
        self.fields.own().chain(fetched).collect()
    }

    /// The fields that its mappings fill, such as `email` and `custom.budget`.
    pub fn mapped_fields(&self) -> BTreeSet<String> {
        let fetched = self.hydrate.iter().flat_map(Hydrator::mapped_fields);
        let mut fields: BTreeSet<String> = self.fields.names().chain(fetched).collect();
        // A full name is split where the sender did not.
        if fields.contains(Field::FullName.name()) {
            fields.extend([Field::FirstName, Field::LastName].map(|field| field.name().to_owned()));
        }
        if fields.contains(Field::Phone.name()) {
            fields.insert(Field::PhoneExtension.name().to_owned());
        }
        // What a lead always has.
        let always = [Field::Source, Field::SubmissionId, Field::CapturedAt];
        fields.extend(always.map(|field| field.name().to_owned()));
        fields
    }

    /// The fields that every lead must have.
    pub fn required_fields(&self) -> impl Iterator<Item = &str> {
        self.limits.required.iter().map(String::as_str)
    }

    /// Expressions that give the same for every lead, and keep leads from where they should go.
    pub fn constants(&self) -> Vec<String> {
        let never = |program: &Program| program.is_never();
        let mut found = Vec::new();
        if self.accept.as_ref().is_some_and(never) {
            found.push(
                "spec.payload.accept: it is never true, so that every payload is ignored; write spec.suspend: true to stop \
                 a webhook"
                    .to_owned(),
            );
        }
        for (n, rule) in self.rules.iter().enumerate() {
            if never(&rule.program) {
                found.push(format!(
                    "spec.payload.rules[{n}].expression: it is never true, so that every lead is refused; write what a good \
                     lead fulfils"
                ));
            }
        }
        for (n, route) in self.sinks.iter().enumerate() {
            if route.when.as_ref().is_some_and(never) {
                found.push(format!(
                    "spec.sinks[{n}].when: it is never true, so that no lead goes to this sink; write which leads do"
                ));
            }
        }
        if self
            .key
            .as_ref()
            .is_some_and(|key| !matches!(key.constant(), None | Some(Value::Null)))
        {
            found.push(
                "spec.idempotency.key: it is the same for every lead, so that all but the first are taken for resends; write \
                 what is different in each submission, as in payload.id"
                    .to_owned(),
            );
        }
        found
    }

    /// The country of phone numbers without a country code (`payload.defaultRegion`).
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// What of a payload its own expressions read, now and when it is mapped again.
    pub(crate) fn reads(&self) -> Kept {
        if self.keep_whole || self.schema.is_some() {
            return Kept::Whole;
        }
        let programs = self
            .fields
            .programs()
            .chain(self.rules.iter().map(|rule| &rule.program))
            .chain(self.sinks.iter().filter_map(|route| route.when.as_ref()))
            .chain([&self.accept, &self.key, &self.preset_key].into_iter().flatten())
            .chain(self.hydrate.iter().map(Hydrator::path));
        // What recognises a resend if nothing else does.
        let kept = Kept::nothing().and("submissionId").and("eventId");
        let kept = programs.fold(kept, |kept, program| {
            kept.and_read_by(program, &["payload", "item"])
        });
        let fetched = self.hydrate.iter().flat_map(Hydrator::programs);
        fetched.fold(kept, |kept, program| kept.and_read_by(program, &["item"]))
    }

    /// `{name, namespace}`, as expressions see it.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Completes a thin lead with the answer of the sender's API, and judges it as a whole. With it come the fields that
    /// were left out.
    pub fn complete(
        &self,
        answer: &Value,
        notification: &Value,
        known: Lead,
    ) -> Result<(Lead, Vec<Problem>), NoLead> {
        let Some(hydrate) = &self.hydrate else {
            let gone = "payload.hydrate was removed from the webhook; put it back and replay the lead";
            return Err(vec![Problem::new("", "HydrateFailed", gone)].into());
        };
        let (lead, notes) = hydrate
            .read(answer, notification, known, self.region.as_deref(), &self.limits)
            .map_err(|no_lead| self.without_contact(no_lead, answer))?;
        let lead = lead.into_value();
        let scope = Scope::new()
            .with("lead", &lead)
            .with("payload", answer)
            .with("item", notification)
            .with("webhook", &self.value);
        let problems = self.broken_rules(&scope.with_null("headers").with_null("query"));
        match Lead::from_value(lead) {
            Some(lead) if problems.is_empty() => Ok((lead, notes)),
            _ => Err(problems.into()),
        }
    }

    /// What an event is in which no contact was found, where such are ignored.
    pub(super) fn without_contact(&self, no_lead: NoLead, looked_in: &Value) -> NoLead {
        match no_lead {
            // Before a thin payload can be fetched, nothing is known of its contact.
            NoLead::Refused(found)
                if self.ignore_without_contact
                    && (!self.is_thin || self.hydrate.is_some())
                    && found.iter().all(|problem| problem.reason == "ContactMissing") =>
            {
                if has_address(looked_in) {
                    NoLead::Refused(vec![Problem::new("email", OVERLOOKED, OVERLOOKED_WORDS)])
                } else {
                    NoLead::Ignored("an event without e-mail address and phone number is not a lead")
                }
            }
            other => other,
        }
    }

    /// The routes' conditions that say nothing about leads which lack a value they look at: field -> the paths. Such a
    /// lead goes to none of two sinks whose conditions are each other's opposite.
    pub fn uncovered(&self) -> Vec<(String, Vec<String>)> {
        let always = |path: &str| {
            let field = path.strip_prefix("lead.").unwrap_or_default();
            path.starts_with("webhook.")
                || matches!(field, "source" | "submissionId" | "capturedAt")
                || self.limits.required.iter().any(|required| required == field)
        };
        let conditions = self.sinks.iter().enumerate();
        conditions
            .filter_map(|(n, route)| {
                let mut paths: Vec<String> = route.when.as_ref()?.needs().into_iter().collect();
                paths.retain(|path| !always(path));
                (!paths.is_empty()).then(|| (format!("spec.sinks[{n}].when"), paths))
            })
            .collect()
    }

    /// The fields of its own that it fills: `lead.custom.<name>`.
    pub fn custom_fields(&self) -> impl Iterator<Item = &str> {
        let fetched = self.hydrate.iter().flat_map(Hydrator::custom_fields);
        self.fields.custom_fields().chain(fetched)
    }

    /// The rules that a lead breaks.
    pub(super) fn broken_rules(&self, scope: &Scope<'_>) -> Vec<Problem> {
        let judge = |rule: &Rule| match rule.program.test(scope) {
            Ok(true) => None,
            Ok(false) => Some(Problem::new(
                rule.field.as_str(),
                "RuleFailed",
                rule.message.as_str(),
            )),
            Err(error) => Some(error.problem(rule.field.as_str(), "RuleFailed")),
        };
        self.rules.iter().filter_map(judge).collect()
    }
}
