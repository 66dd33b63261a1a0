//! Puts the parts together and runs them until told to stop.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use futures::channel::mpsc;
use kube::Client;
use kube::runtime::controller::{Config, Controller};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector;
use leadgate_crds::LeadWebhook;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, Scope};
use crate::context::{Context, Memory, Peer, Peers, Settings};
use crate::health::{self, Health, Waiting};
use crate::implied::AllReceivers;
use crate::lead_receiver::Upgrades;
use crate::leader::Candidate;
use crate::metrics::Metrics;
use crate::names::MANAGER;
use crate::receivers::{Http, Receivers};
use crate::served::{crds_served, is_openshift, served};
use crate::watch::primary::{receiver_changed, resources, sink_changed, webhook_changed};
use crate::watch::secondary;
use crate::{crm_sink, lead_receiver, lead_webhook};

/// What changes together is reconciled once.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// How long reconciliations that have begun may take after SIGTERM.
const SHUTDOWN_GRACE_PERIOD: Duration = Duration::from_secs(20);

/// What an operator needs besides its command line. Tests give their own.
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// Where figures come from.
    pub receivers: Arc<dyn Receivers>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What the operator waits for.
    pub waiting: Arc<Waiting>,
    /// Whether this is OpenShift, which chooses the users of pods.
    pub openshift: bool,
    /// The namespaces that are being upgraded.
    pub upgrades: Arc<Upgrades>,
}

impl Parts {
    /// The real ones.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            receivers: Arc::new(Http::default()),
            metrics: Arc::new(Metrics::default()),
            waiting: Arc::new(Waiting::default()),
            openshift: false,
            upgrades: Arc::default(),
        }
    }
}

/// Runs the operator until SIGTERM or SIGINT.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    // An error means that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::try_default()
        .await
        .context("no API server found: run the operator in a cluster or with a kubeconfig")?;
    let openshift = is_openshift(&client).await;
    let parts = Parts {
        openshift,
        ..Parts::new(client)
    };
    let listener = bind(&cli.health_listen)
        .await
        .with_context(|| format!("--health-listen {}", cli.health_listen))?;
    let stop = CancellationToken::new();
    let health = Health {
        waiting: Arc::clone(&parts.waiting),
        metrics: Arc::clone(&parts.metrics),
    };
    let stop_health = CancellationToken::new();
    let server = tokio::spawn(health::serve(listener, health, stop_health.clone()));
    let told = stop.clone();
    let signals = tokio::spawn(async move {
        shutdown_signal().await;
        tracing::info!("shutting down: draining in-flight work");
        told.cancel();
    });
    let ended = operate(&cli, parts, stop).await;
    signals.abort();
    stop_health.cancel();
    let _ = server.await;
    ended
}

/// `[::]` stands for all addresses: those of IPv4, too, and only those where the node has no IPv6.
pub(crate) async fn bind(address: &str) -> std::io::Result<TcpListener> {
    match (TcpListener::bind(address).await, address.strip_prefix("[::]:")) {
        (Err(error), Some(port)) if error.kind() != std::io::ErrorKind::AddrInUse => {
            tracing::info!(%error, "no IPv6 here, listening on IPv4 only");
            TcpListener::bind(format!("0.0.0.0:{port}")).await
        }
        (bound, _) => bound,
    }
}

/// Becomes the leader, then reconciles until `stop`. An error when it leads no longer: the process must end, since
/// another operator may already work.
pub async fn operate(cli: &Cli, parts: Parts, stop: CancellationToken) -> anyhow::Result<()> {
    let scopes = cli.scopes();
    if !crds_served(&parts.client, &parts.waiting, &scopes, &stop).await {
        return Ok(());
    }
    if cli.leader_election_namespace.is_empty() {
        return lead(cli, &parts, scopes, &stop).await;
    }
    let identity = cli.identity.clone().unwrap_or_else(identity);
    let mut candidate = Candidate::new(
        parts.client.clone(),
        &cli.leader_election_namespace,
        identity,
        cli.installation.clone(),
    );
    if !candidate.elected(&stop).await {
        return Ok(());
    }
    let parts = Parts {
        client: candidate.term().client(parts.client.clone()),
        ..parts
    };
    let working = stop.child_token();
    // The Lease is given back only after the last write.
    let worked = CancellationToken::new();
    let work = async {
        let ended = lead(cli, &parts, scopes, &working).await;
        worked.cancel();
        ended
    };
    let lease = async {
        candidate.lead(&worked).await;
        worked.is_cancelled()
    };
    tokio::pin!(work, lease);
    tokio::select! {
        ended = &mut work => {
            lease.await;
            ended
        }
        gave_back = &mut lease => if gave_back {
            work.await
        } else {
            parts.metrics.leader.set(0);
            bail!("lost leadership")
        },
    }
}

fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| MANAGER.to_owned());
    format!("{host}-{:08x}", rand::random::<u32>())
}

/// One set of controllers for each scope.
async fn lead(cli: &Cli, parts: &Parts, scopes: Vec<Scope>, stop: &CancellationToken) -> anyhow::Result<()> {
    parts.metrics.leader.set(1);
    let mut sets = JoinSet::new();
    let scopes: Vec<(Scope, Webhooks)> = scopes.into_iter().map(|scope| (scope, Webhooks::new())).collect();
    let peers = Peers(Arc::new(
        scopes.iter().map(|(_, webhooks)| webhooks.peer()).collect(),
    ));
    for (scope, webhooks) in scopes {
        let (cli, parts, peers, stop) = (cli.clone(), parts.clone_shared(), peers.clone(), stop.clone());
        sets.spawn(async move {
            // A namespace that cannot be read, or does not exist yet, keeps no other one waiting.
            if served(&parts.client, &scope, &stop).await {
                control(scope, webhooks, cli, parts, peers, stop).await;
            }
        });
    }
    while let Some(ended) = sets.join_next().await {
        ended.context("a controller failed")?;
        if !stop.is_cancelled() {
            bail!("a controller stopped unexpectedly");
        }
    }
    parts.metrics.leader.set(0);
    Ok(())
}

impl Parts {
    fn clone_shared(&self) -> Self {
        Self {
            client: self.client.clone(),
            receivers: Arc::clone(&self.receivers),
            metrics: Arc::clone(&self.metrics),
            waiting: Arc::clone(&self.waiting),
            openshift: self.openshift,
            upgrades: Arc::clone(&self.upgrades),
        }
    }
}

/// The webhooks of a scope, before its controllers run.
struct Webhooks {
    store: reflector::Store<LeadWebhook>,
    writer: reflector::store::Writer<LeadWebhook>,
    wake: mpsc::UnboundedSender<reflector::ObjectRef<LeadWebhook>>,
    woken: mpsc::UnboundedReceiver<reflector::ObjectRef<LeadWebhook>>,
}

impl Webhooks {
    fn new() -> Self {
        let (store, writer) = reflector::store();
        let (wake, woken) = mpsc::unbounded();
        Self {
            store,
            writer,
            wake,
            woken,
        }
    }

    fn peer(&self) -> Peer {
        Peer {
            webhooks: self.store.clone(),
            wake: self.wake.clone(),
        }
    }
}

/// The controllers of one scope.
async fn control(
    scope: Scope,
    webhooks: Webhooks,
    cli: Cli,
    parts: Parts,
    peers: Peers,
    stop: CancellationToken,
) {
    let Webhooks {
        store: webhooks,
        writer: webhook_writer,
        wake: wake_webhooks,
        woken: woken_webhooks,
    } = webhooks;
    let (sinks, sink_writer) = reflector::store();
    let (existing, receiver_writer) = reflector::store();
    let (wake_sinks, woken_sinks) = mpsc::unbounded();
    let (wake_receivers, woken_receivers) = mpsc::unbounded();
    let reporter = Reporter {
        controller: MANAGER.to_owned(),
        instance: std::env::var("HOSTNAME").ok(),
    };
    let context = Arc::new(Context {
        recorder: Recorder::new(parts.client.clone(), reporter),
        client: parts.client,
        settings: Settings {
            rules: cli.rules(),
            tracing: cli.tracing(),
            receiver_image: cli.receiver_image,
            redis_image: cli.redis_image,
            openshift: parts.openshift,
            image_pull_secrets: cli.image_pull_secrets,
            installation: cli.installation,
            lease_namespace: cli.leader_election_namespace,
        },
        webhooks: webhooks.clone(),
        peers,
        sinks: sinks.clone(),
        receivers: AllReceivers::new(existing),
        index: crate::index::Index::default(),
        workloads: crate::workloads::Workloads::default(),
        secrets: crate::secrets::Secrets::default(),
        named: crate::named::NamedObjects::default(),
        drifts: crate::drift::Drifts::default(),
        backoff: crate::backoff::Backoff::default(),
        ask: parts.receivers,
        metrics: parts.metrics,
        // The watches, and the stores of the resources.
        unsynced: tokio::sync::watch::Sender::new(secondary::COUNT + 3),
        routes_wanted: tokio::sync::watch::Sender::new(false),
        wake_webhooks,
        wake_sinks,
        wake_receivers,
        of_webhooks: Memory::default(),
        of_sinks: Memory::default(),
        of_receivers: Memory::default(),
        upgrades: parts.upgrades,
        contested: crate::context::Contested::default(),
        redis_locks: Mutex::default(),
        scope,
    });
    let config = || Config::default().debounce(DEBOUNCE).concurrency(cli.concurrency);
    let about_webhooks = Arc::clone(&context);
    let webhook_controller = Controller::for_stream(
        resources(&context, webhook_writer, move |event| {
            webhook_changed(&about_webhooks, event);
        }),
        webhooks,
    )
    .with_config(config())
    .reconcile_on(woken_webhooks)
    .graceful_shutdown_on(stop.clone().cancelled_owned())
    .run(
        lead_webhook::reconcile,
        |_, error, _| match *error {},
        Arc::clone(&context),
    )
    .for_each(|_| std::future::ready(()));
    let about_sinks = Arc::clone(&context);
    let sink_controller = Controller::for_stream(
        resources(&context, sink_writer, move |event| {
            sink_changed(&about_sinks, event);
        }),
        sinks,
    )
    .with_config(config())
    .reconcile_on(woken_sinks)
    .graceful_shutdown_on(stop.clone().cancelled_owned())
    .run(
        crm_sink::reconcile,
        |_, error, _| match *error {},
        Arc::clone(&context),
    )
    .for_each(|_| std::future::ready(()));
    // The controller works on a store of its own, with the implied receivers in it; this watch keeps that in step.
    let about_receivers = Arc::clone(&context);
    let receivers_seen = resources(&context, receiver_writer, move |event| {
        receiver_changed(&about_receivers, event);
    })
    .take_until(stop.clone().cancelled_owned())
    .for_each(|_| std::future::ready(()));
    let receiver_controller = Controller::for_stream(futures::stream::pending(), context.receivers.store())
        .with_config(config())
        .reconcile_on(woken_receivers)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            lead_receiver::reconcile,
            |_, error, _| match *error {},
            Arc::clone(&context),
        )
        .for_each(|_| std::future::ready(()));
    let mut tasks = JoinSet::new();
    secondary::start(&context, &stop, &mut tasks);
    crate::named::start(&context, &stop, &mut tasks);
    let all = async {
        tokio::join!(
            webhook_controller,
            sink_controller,
            receiver_controller,
            receivers_seen
        )
    };
    tokio::pin!(all);
    tokio::select! {
        _ = &mut all => {}
        () = async { stop.cancelled().await; tokio::time::sleep(SHUTDOWN_GRACE_PERIOD).await } => {
            tracing::warn!("shutdown grace period expired; the next leader will retry");
        }
    }
    tasks.shutdown().await;
}

pub(crate) async fn shutdown_signal() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "failed to install the SIGTERM handler");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = terminate => {}
        result = tokio::signal::ctrl_c() => if let Err(error) = result {
            tracing::warn!(%error, "failed to install the SIGINT handler");
            std::future::pending::<()>().await;
        },
    }
}
