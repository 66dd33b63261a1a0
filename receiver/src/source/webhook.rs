//! A LeadWebhook with its preset and secrets, compiled: what the others run on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use leadgate_crds::LeadWebhook;
use leadgate_crds::common::Expression;
use leadgate_crds::lead_webhook::{Format, ItemsPolicy};
use serde_json::{Value, json};

use super::auth::{AddressRule, CertificateRule, Verifier, challenges, verifier};
use super::challenge::Challenge;
use super::fields::Fields;
use super::hydrate::Hydrator;
use super::preset;
use super::schema::PayloadSchema;
use crate::expression::{Names, Program, Scope};
use crate::ids::{SinkId, WebhookId};
use crate::lead::{Field, Lead, Limits, Problem, warm_up};
use crate::secret_value::ReadSecret;

/// How long a resend is recognised when neither preset nor webhook says.
const WINDOW: Duration = Duration::from_hours(24);
/// The same for a digest of the body: a person may submit the same form twice and mean it.
pub(super) const DIGEST_WINDOW: Duration = Duration::from_mins(10);

/// A compiled webhook.
#[derive(Debug)]
pub struct Webhook {
    /// `namespace/name`.
    pub id: WebhookId,
    /// Its path.
    pub path: String,
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
    /// Where leads go.
    pub sinks: Vec<Route>,
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

/// Which views of the request any expression looks at; the others are not made.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Needs {
    pub(super) headers: bool,
    pub(super) query: bool,
}

impl Webhook {
    /// Compiles; the errors are complete, each names its field and the remedy.
    pub fn compile(object: &LeadWebhook, read_secret: &ReadSecret<'_>) -> Result<Self, Vec<String>> {
        let name = object.metadata.name.clone().unwrap_or_default();
        let namespace = object
            .metadata
            .namespace
            .clone()
            .unwrap_or_else(|| "default".to_owned());
        let spec = &object.spec;
        let mut errors = Errors(Vec::new());

        let preset = preset::find(&spec.source);
        if preset.is_none() {
            errors
                .0
                .push(format!("spec.source: {}", preset::unknown(&spec.source)));
        }
        let from_preset = preset.map(|p| p.payload.clone()).unwrap_or_default();
        let format = spec.payload.format.or(from_preset.format).unwrap_or_default();
        let verifier = errors.take("spec.auth", verifier(spec, preset, format, read_secret));
        let challenges = errors
            .take("spec.auth", challenges(spec, preset, read_secret))
            .unwrap_or_default();
        let addresses = errors.take("spec", AddressRule::compile(&spec.auth.allowed_cidrs));
        let certificate = spec
            .auth
            .client_certificate
            .as_ref()
            .and_then(|own| errors.take("spec.auth", CertificateRule::compile(own)));
        let payload = &spec.payload;

        let accept = errors.program(
            "spec.payload.accept",
            payload.accept.as_ref().or(from_preset.accept.as_ref()),
            &Names::REQUEST,
        );
        let items = errors.program(
            "spec.payload.items",
            payload.items.as_ref().or(from_preset.items.as_ref()),
            &Names::REQUEST,
        );
        let fields = Fields::compile(
            &payload.lead,
            &from_preset.lead,
            "spec.payload.lead",
            &Names::REQUEST,
            &mut errors.0,
        );
        let hydrate = payload.hydrate.as_ref().and_then(|own| {
            Hydrator::compile(own, from_preset.hydrate.as_ref(), read_secret)
                .map_err(|found| errors.0.extend(found))
                .ok()
        });
        let rules = payload
            .rules
            .iter()
            .enumerate()
            .filter_map(|(n, rule)| {
                let program = errors.program(
                    &format!("spec.payload.rules[{n}].expression"),
                    Some(&rule.expression),
                    &Names::ACCEPTED,
                )?;
                Some(Rule {
                    program,
                    message: rule.message.clone(),
                    field: rule.field.clone().unwrap_or_default(),
                })
            })
            .collect();
        let schema = payload
            .schema
            .as_ref()
            .and_then(|schema| errors.take("spec.payload.schema", PayloadSchema::compile(schema)));
        let key = errors.program(
            "spec.idempotency.key",
            spec.idempotency.key.as_ref(),
            &Names::REQUEST,
        );
        let of_preset = preset.and_then(|p| p.idempotency.key.as_ref());
        let of_preset = of_preset.filter(|_| spec.idempotency.key.is_none());
        let preset_key = errors.program("spec.idempotency.key", of_preset, &Names::REQUEST);
        let own_window = spec.idempotency.window.as_ref().map(Duration::from);
        let preset_window = preset
            .and_then(|p| p.idempotency.window.as_ref())
            .map(Duration::from);
        let sinks = spec
            .sinks
            .iter()
            .enumerate()
            .map(|(n, sink)| Route {
                sink: SinkId::new(format!("{namespace}/{}", sink.name)),
                when: errors.program(
                    &format!("spec.sinks[{n}].when"),
                    sink.when.as_ref(),
                    &Names::ACCEPTED,
                ),
                otherwise: sink.otherwise,
            })
            .collect::<Vec<_>>();
        if sinks.is_empty() {
            errors.0.push("spec.sinks: list at least one CrmSink".to_owned());
        }
        if let Some(region) = &payload.default_region {
            warm_up(region);
        }

        let (Some(verifier), Some(addresses), []) = (verifier, addresses, errors.0.as_slice()) else {
            return Err(errors.0);
        };
        let limits = Limits {
            required: payload.required.clone(),
            truncate: payload.truncate.clone(),
            on_invalid: payload.on_invalid.or(from_preset.on_invalid).unwrap_or_default(),
            longest: payload
                .max_lengths
                .iter()
                .map(|(field, n)| (field.clone(), usize::try_from(*n).unwrap_or(usize::MAX)))
                .collect::<BTreeMap<_, _>>(),
        };
        let mut webhook = Self {
            id: WebhookId::of(&namespace, &name),
            path: spec
                .path
                .clone()
                .unwrap_or_else(|| format!("/webhooks/{namespace}/{name}")),
            max_bytes: usize::try_from(payload.max_bytes).unwrap_or(1 << 20),
            verifier,
            challenges,
            addresses,
            certificate,
            trusted_proxies: usize::try_from(spec.auth.trusted_proxies).unwrap_or(0),
            suspended: spec.suspend,
            keep_rejected: spec.retention.rejected.get(),
            keep_dead: spec.retention.dead.get(),
            keep_held: spec.retention.held.get(),
            sinks,
            format,
            accept,
            items,
            items_policy: payload.items_policy,
            fields,
            hydrate,
            region: payload.default_region.clone(),
            limits,
            rules,
            schema,
            key,
            preset_key,
            // A mapping of one's own that finds nobody is a mistake in it.
            ignore_without_contact: from_preset.ignore_without_contact
                && payload.lead.email.is_none()
                && payload.lead.phone.is_none(),
            window: own_window.or(preset_window).unwrap_or(WINDOW),
            digest_window: own_window.unwrap_or(DIGEST_WINDOW),
            value: json!({"name": name, "namespace": namespace}),
            needs: Needs::default(),
        };
        webhook.needs = webhook.look_for_needs();
        Ok(webhook)
    }

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
    ) -> Result<(Lead, Vec<Problem>), Vec<Problem>> {
        let Some(hydrate) = &self.hydrate else {
            let gone = "payload.hydrate was removed from the webhook; put it back and replay the lead";
            return Err(vec![Problem::new("", "HydrateFailed", gone)]);
        };
        let (lead, notes) =
            hydrate.read(answer, notification, known, self.region.as_deref(), &self.limits)?;
        let lead = lead.into_value();
        let scope = Scope::new()
            .with("lead", &lead)
            .with("payload", answer)
            .with("item", notification)
            .with("webhook", &self.value);
        let problems = self.broken_rules(&scope.with_null("headers").with_null("query"));
        match Lead::from_value(lead) {
            Some(lead) if problems.is_empty() => Ok((lead, notes)),
            _ => Err(problems),
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

    fn look_for_needs(&self) -> Needs {
        let programs = self
            .fields
            .programs()
            .chain(self.rules.iter().map(|rule| &rule.program))
            .chain(self.sinks.iter().filter_map(|route| route.when.as_ref()))
            .chain(
                [&self.accept, &self.items, &self.key, &self.preset_key]
                    .into_iter()
                    .flatten(),
            )
            .chain(self.hydrate.iter().map(Hydrator::path));
        programs.fold(Needs::default(), |needs, program| Needs {
            headers: needs.headers || program.refers_to("headers"),
            query: needs.query || program.refers_to("query"),
        })
    }
}

/// Collects every error instead of stopping at the first.
struct Errors(Vec<String>);

impl Errors {
    fn take<T>(&mut self, field: &str, result: Result<T, String>) -> Option<T> {
        result
            .map_err(|error| {
                self.0
                    .push(format!("{field}.{error}").replace("spec.auth.publicUrl", "spec.publicUrl"));
            })
            .ok()
    }

    fn program(&mut self, field: &str, expression: Option<&Expression>, names: &Names) -> Option<Program> {
        Program::compile(expression?.as_str(), names)
            .map_err(|error| self.0.push(format!("{field}: {error}")))
            .ok()
    }
}
