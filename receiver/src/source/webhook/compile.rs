//! From a LeadWebhook, its preset and its secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use leadgate_crds::LeadWebhook;
use leadgate_crds::common::Expression;
use leadgate_crds::lead_webhook::Keep;
use serde_json::json;

use super::{DIGEST_WINDOW, Needs, Route, Rule, Webhook};
use crate::expression::{Invalid, Names, Program, Wanted};
use crate::ids::{SinkId, WebhookId};
use crate::lead::{Limits, warm_up};
use crate::notice::Notifier;
use crate::secret_value::ReadSecret;
use crate::source::auth::{AddressRule, CertificateRule, challenges, verifier};
use crate::source::fields::Fields;
use crate::source::hydrate::Hydrator;
use crate::source::preset;
use crate::source::schema::PayloadSchema;

/// How long a resend is recognised when neither preset nor webhook says.
const WINDOW: Duration = Duration::from_hours(24);

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

        let accept = errors.program_to(
            "spec.payload.accept",
            payload.accept.as_ref().or(from_preset.accept.as_ref()),
            &Names::REQUEST,
            Wanted::Condition,
        );
        let items = errors.program_to(
            "spec.payload.items",
            payload.items.as_ref().or(from_preset.items.as_ref()),
            &Names::REQUEST,
            Wanted::List,
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
                let program = errors.program_to(
                    &format!("spec.payload.rules[{n}].expression"),
                    Some(&rule.expression),
                    &Names::ACCEPTED,
                    Wanted::Condition,
                )?;
                Some(Rule {
                    program,
                    message: rule.message.clone(),
                    field: rule.field.clone().unwrap_or_default(),
                })
            })
            .collect();
        let schema = payload.schema.as_ref().and_then(|schema| {
            let compiled = PayloadSchema::compile(schema);
            compiled
                .map_err(|error| errors.0.push(format!("spec.payload.schema{error}")))
                .ok()
        });
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
                when: errors.program_to(
                    &format!("spec.sinks[{n}].when"),
                    sink.when.as_ref(),
                    &Names::ACCEPTED,
                    Wanted::Condition,
                ),
                otherwise: sink.otherwise,
            })
            .collect::<Vec<_>>();
        if sinks.is_empty() {
            errors.0.push("spec.sinks: list at least one CrmSink".to_owned());
        }
        let (notifier, notify_problems) = Notifier::of(spec.notify.as_ref(), read_secret);
        if let Some(region) = &payload.default_region
            && !warm_up(region)
        {
            let meant = if region == "UK" { "; did you mean GB?" } else { "" };
            errors.0.push(format!(
                "spec.payload.defaultRegion: {region} is no country's code of ISO 3166, such as DE or US{meant}"
            ));
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
            receiver: spec.receiver_ref.name.clone(),
            max_bytes: usize::try_from(payload.max_bytes).unwrap_or(1 << 20),
            verifier,
            challenges,
            addresses,
            certificate,
            trusted_proxies: usize::try_from(spec.auth.trusted_proxies).unwrap_or(0),
            suspended: spec.suspend,
            notifier,
            notify_problems,
            keep_rejected: spec.retention.rejected.get(),
            keep_dead: spec.retention.dead.get(),
            keep_held: spec.retention.held.get(),
            keep_payloads: spec.retention.payloads.get(),
            keep_whole: match payload.keep {
                Some(keep) => keep == Keep::Whole,
                None => !spec.retention.payloads.get().is_zero(),
            },
            keep_entries: spec.retention.ledger.get(),
            objective: spec
                .objectives
                .speed_to_lead
                .as_ref()
                .map(leadgate_crds::common::Duration::get),
            sinks,
            format,
            accept,
            items,
            items_policy: payload.items_policy,
            fields,
            is_thin: from_preset.hydrate.is_some(),
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
            lead: needs.lead || program.refers_to("lead"),
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
        let compiled = Program::compile(expression?.as_str(), names);
        self.told(field, compiled)
    }

    /// The same for a place that takes only such results.
    fn program_to(
        &mut self,
        field: &str,
        expression: Option<&Expression>,
        names: &Names,
        wanted: Wanted,
    ) -> Option<Program> {
        let compiled = Program::compile_to(expression?.as_str(), names, wanted);
        self.told(field, compiled)
    }

    fn told(&mut self, field: &str, compiled: Result<Program, Invalid>) -> Option<Program> {
        compiled
            .map_err(|error| self.0.push(format!("{field}: {error}")))
            .ok()
    }
}
