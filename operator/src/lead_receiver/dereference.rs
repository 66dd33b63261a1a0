//! Reads what a receiver depends on: the other receivers, webhooks and sinks of its namespace, and Secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use kube::ResourceExt as _;
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use rustls::pki_types::UnixTime;

use super::certificates::{self, Due};
use super::projection::{Forms, SinkForm, WebhookForm, secrets_of};
use super::queue_url::{self, Password};
use super::{encryption, ledger_key};
use crate::context::{Context, form, name_of};
use crate::named::{self, Presences};
use crate::names;
use crate::secrets::{Found, Seen, Value};
use crate::stats::{ReceiverStats, WebhookStats};
use crate::stores::{Feed, StoreKey, Stores};
use crate::validation::unread;
use crate::workloads::{RedisState, Rollout};

/// How long a receiver goes on answering for a webhook that senders reach elsewhere by now: edges need a moment.
pub const HAND_OVER: Duration = Duration::from_mins(1);

/// Of a Secret that does not exist.
pub(super) static NO_KEYS: BTreeMap<String, Value> = BTreeMap::new();

/// What the cluster says about everything that a receiver depends on.
#[derive(Clone, Debug, Default)]
pub struct Dereferenced {
    /// All receivers of the namespace.
    pub receivers: Vec<Arc<LeadReceiver>>,
    /// Their queues.
    pub stores: Stores,
    /// The webhooks that it serves: those that name it, and those that senders still reach through it.
    pub webhooks: Vec<Arc<LeadWebhook>>,
    /// The Secrets that it names itself.
    pub secrets: Found,
    /// The classes that it names.
    pub named: Presences,
    /// The Secrets to pull images with that do not exist: field and name.
    pub no_pull_secrets: Vec<(String, String)>,
    /// The Secret that the pods read: with the URL of the queue, as it was given to them.
    pub projected: Option<Arc<Seen>>,
    /// The Secret of the managed Redis.
    pub secret_of_redis: Option<Arc<Seen>>,
    /// The password in it.
    pub password_of_redis: Password,
    /// What is due of the certificates in it.
    pub certificates_due: Due,
    /// The Secret with the keys that seal leads in the managed queue.
    pub encryption: Option<Arc<Seen>>,
    /// The Secret with the keys that hide whom the ledger is about.
    pub ledger: Option<Arc<Seen>>,
    /// The queues that its pods use.
    pub used: BTreeSet<StoreKey>,
    /// The managed Redis, if there is one.
    pub redis: Option<RedisState>,
    /// Its Deployment, if there is one.
    pub rollout: Option<Rollout>,
    /// The Deployments of all receivers whose pods use the managed Redis.
    pub users_of_redis: Vec<Rollout>,
    /// What its pods said last.
    pub figures: Option<ReceiverStats>,
    /// The queue that some of its pods use although it is to be another one.
    pub leaving: Option<StoreKey>,
    /// Whether all pods refuse new leads of all its webhooks.
    pub refuses: bool,
    /// The sinks that several queues feed, each with the queue that is delivered now, and those that feed it.
    pub contested: BTreeMap<String, (StoreKey, BTreeMap<StoreKey, Feed>)>,
}

impl Dereferenced {
    /// The files with the URLs of the queues that the pods use.
    pub fn queue(&self, receiver: &LeadReceiver) -> BTreeMap<String, ByteString> {
        let mut files = queue_url::files(
            &self.used,
            self.password_of_redis.known(),
            self.secret_of_redis.as_deref(),
            &self.secrets,
            self.projected.as_deref(),
            names::loss_allowed(receiver),
        );
        files.extend(encryption::copy(
            self.encryption.as_deref(),
            self.projected.as_deref(),
        ));
        files.extend(ledger_key::copy(
            self.ledger.as_deref(),
            self.projected.as_deref(),
        ));
        files
    }

    /// Whether another receiver uses a queue, whose pods deliver what this one leaves there.
    pub fn others_use(&self, store: &StoreKey, receiver: &str) -> bool {
        let mut others = self.receivers.iter().map(|other| other.name_any());
        others.any(|other| other != receiver && self.stores.key(&other) == *store)
    }

    /// Whether the pods are to refuse new leads for a moment: a queue that is left for another one is empty, and must stay so
    /// until no pod uses it.
    pub fn refuse(&self, receiver: &str) -> bool {
        let Some(leaving) = &self.leaving else {
            return false;
        };
        let is_empty = self.figures.as_ref().is_some_and(|figures| figures.kept() == 0);
        is_empty && !self.others_use(leaving, receiver)
    }
}

/// Reads.
pub async fn dereference(receiver: &LeadReceiver, context: &Context) -> kube::Result<Dereferenced> {
    let (namespace, name) = name_of(receiver);
    let receivers = context.receivers.of(&namespace);
    let stores = Stores::of(&receivers);
    let names: BTreeSet<String> = receiver
        .spec
        .secret_refs()
        .into_iter()
        .map(|reference| reference.name)
        .collect();
    let all = context.webhooks_of(&namespace, |_| true);
    let contested = contested(&all, &receivers, &stores, context);
    let rollout = context.workloads.rollout(&namespace, &names::receiver(&name));
    let wanted = stores.key(&name);
    let pods = context.workloads.pods(&namespace, &name);
    let used = rollout.iter().filter_map(|rollout| rollout.store.clone());
    let used: Vec<StoreKey> = used.chain(pods.into_iter().filter_map(|pod| pod.store)).collect();
    let own = [
        names::REDIS.to_owned(),
        names::ENCRYPTION.to_owned(),
        names::LEDGER.to_owned(),
        names::secrets(&name),
    ];
    let mut own = context
        .secrets
        .find(&context.client, &namespace, own.into())
        .await?;
    let projected = own.remove(&names::secrets(&name)).flatten();
    let secret_of_redis = own.remove(names::REDIS).flatten();
    let encryption = own.remove(names::ENCRYPTION).flatten();
    let ledger = own.remove(names::LEDGER).flatten();
    let keys = secret_of_redis.as_ref().map_or(&NO_KEYS, |seen| &seen.keys);
    let webhooks: Vec<_> = all
        .into_iter()
        .filter(|webhook| serves(&name, webhook, context))
        .collect();
    let refuses = webhooks.iter().all(|webhook| {
        context.of_webhooks.with(&name_of(webhook.as_ref()), |state| {
            state.figures.get(&name).is_some_and(|figures| figures.suspended)
        })
    });
    Ok(Dereferenced {
        // Which queue is wanted is not known for certain of what cannot be read whole.
        leaving: used
            .iter()
            .find(|store| **store != wanted && unread(receiver).next().is_none())
            .cloned(),
        password_of_redis: queue_url::password(secret_of_redis.as_deref(), projected.as_deref()),
        certificates_due: certificates::due(keys, &namespace, UnixTime::now()),
        secret_of_redis,
        encryption,
        ledger,
        projected,
        used: used.into_iter().chain([wanted]).collect(),
        refuses,
        webhooks,
        rollout,
        named: context
            .named
            .find(&context.client, &named::of_receiver(receiver))
            .await,
        no_pull_secrets: named::pull_secrets(receiver)
            .into_iter()
            .filter(|(_, secret)| !context.secrets.exists(&namespace, secret))
            .collect(),
        secrets: context.secrets.find(&context.client, &namespace, names).await?,
        users_of_redis: receivers
            .iter()
            .filter_map(|other| {
                context
                    .workloads
                    .rollout(&namespace, &names::receiver(&other.name_any()))
            })
            .filter(|rollout| rollout.store == Some(StoreKey::Managed))
            .collect(),
        redis: context.workloads.redis(&namespace),
        figures: context
            .of_receivers
            .with(&(namespace, name), |state| state.figures.clone()),
        receivers,
        stores,
        contested,
    })
}

/// Whether a receiver answers at a webhook's path: the webhook names it, or senders reach the webhook through it, or did a
/// moment ago.
pub fn serves(receiver: &str, webhook: &LeadWebhook, context: &Context) -> bool {
    let status = webhook.status.as_ref();
    webhook.spec.receiver_ref.name == receiver
        || status.and_then(|status| status.receiver.as_deref()) == Some(receiver)
        || context.of_webhooks.with(&name_of(webhook), |state| {
            let moved = state.moved.as_ref();
            moved.is_some_and(|(left, since)| left == receiver && since.elapsed() < HAND_OVER)
        })
}

/// Which sinks more than one queue feeds.
fn contested(
    webhooks: &[Arc<LeadWebhook>],
    receivers: &[Arc<LeadReceiver>],
    stores: &Stores,
    context: &Context,
) -> BTreeMap<String, (StoreKey, BTreeMap<StoreKey, Feed>)> {
    let mut feeds: BTreeMap<String, BTreeMap<StoreKey, Feed>> = BTreeMap::new();
    for webhook in webhooks {
        let store = stores.key(&webhook.spec.receiver_ref.name);
        for route in &webhook.spec.sinks {
            let feed = feeds.entry(route.name.clone()).or_default();
            let feed = feed.entry(store.clone()).or_default();
            feed.webhooks.insert(webhook.name_any());
        }
    }
    for receiver in receivers {
        let name = name_of(receiver.as_ref());
        let store = stores.key(&name.1);
        let pending = context.of_receivers.with(&name, |state| {
            let sinks = state.figures.iter().flat_map(|figures| &figures.sinks);
            sinks
                .map(|(sink, figures)| (sink.clone(), figures.leads.deliveries.pending))
                .filter(|(_, pending)| *pending > 0)
                .collect::<Vec<_>>()
        });
        for (sink, pending) in pending {
            let feed = feeds.entry(sink).or_default().entry(store.clone()).or_default();
            feed.pending = feed.pending.max(pending);
        }
    }
    feeds
        .into_iter()
        .filter(|(_, feeds)| feeds.len() > 1)
        .filter_map(|(sink, feeds)| {
            let active = stores.active(&feeds)?.clone();
            Some((sink, (active, feeds)))
        })
        .collect()
}

/// What the pods of a receiver are to run.
pub enum Wanted {
    Forms(Forms),
    /// Some of it was not validated yet: what is there stays until then.
    Later,
    /// Some of it is not valid, and its last valid form is to be looked for.
    Earlier,
}

/// What the pods of a receiver are to run.
pub async fn forms(receiver: &LeadReceiver, facts: &Dereferenced, context: &Context) -> kube::Result<Wanted> {
    let (namespace, name) = name_of(receiver);
    let store = facts.stores.key(&name);
    let mut webhooks = Vec::new();
    for webhook in context.webhooks_of(&namespace, |_| true) {
        let id = name_of(webhook.as_ref());
        let (validated, earlier, kept) = context.of_webhooks.with(&id, |state| {
            let kept = state.figures.get(&name).map_or(0, WebhookStats::kept);
            (state.validated.clone(), state.earlier.clone(), kept)
        });
        let target = webhook.spec.receiver_ref.name.clone();
        let served = serves(&name, &webhook, context);
        let draining = webhook.metadata.deletion_timestamp.is_some() || served && facts.refuse(&name);
        let object = match validated {
            Some((of, valid)) if of == form(webhook.as_ref()) => match (valid, earlier) {
                (true, _) => webhook,
                (false, Some(Some(earlier))) => earlier,
                (false, Some(None)) => continue,
                (false, None) => return Ok(Wanted::Earlier),
            },
            _ => return Ok(Wanted::Later),
        };
        if served || facts.stores.key(&target) == store || kept > 0 {
            webhooks.push(WebhookForm {
                object,
                served,
                draining,
            });
        }
    }
    let mut wanted: BTreeSet<String> = webhooks
        .iter()
        .flat_map(|form| form.object.spec.sinks.iter().map(|route| route.name.clone()))
        .collect();
    let waiting = facts.figures.iter().flat_map(|figures| &figures.sinks);
    wanted.extend(waiting.filter_map(|(sink, figures)| {
        let of = &figures.leads.deliveries;
        (of.pending + of.held + of.dead > 0).then(|| sink.clone())
    }));
    let mut sinks = Vec::new();
    for sink in wanted {
        let exists = context
            .sink(&namespace, &sink)
            .is_some_and(|sink| sink.metadata.deletion_timestamp.is_none());
        let (validated, accepted): (bool, Option<Arc<CrmSink>>) = context
            .of_sinks
            .with(&(namespace.clone(), sink.clone()), |state| {
                (state.validated, state.accepted.clone())
            });
        if exists && !validated {
            return Ok(Wanted::Later);
        }
        // One that was deleted goes on with what is on the way to it: its leads were acknowledged.
        if let Some(object) = accepted {
            let waits = facts
                .contested
                .get(&sink)
                .is_some_and(|(active, _)| *active != store);
            sinks.push(SinkForm { object, waits });
        }
    }
    let names = webhooks
        .iter()
        .flat_map(|form| secrets_of(&form.object))
        .chain(sinks.iter().flat_map(|form| form.object.spec.secret_refs()))
        .map(|reference| reference.name)
        .collect();
    Ok(Wanted::Forms(Forms {
        receiver: name,
        namespace: namespace.clone(),
        secrets: context.secrets.find(&context.client, &namespace, names).await?,
        queue: facts.queue(receiver),
        projected: facts.projected.clone(),
        receivers: facts.receivers.clone(),
        webhooks,
        sinks,
    }))
}
