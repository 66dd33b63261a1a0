//! Puts the parts together and runs them until told to stop.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin, TokenFile};
use crate::cli::{Cli, folder_exists};
use crate::config::{self, Changes, Config, Folders, Problem, Severity};
use crate::delivery::{Errands, Preflights, Shared, Supervisor};
use crate::descriptors;
use crate::encryption_key::EncryptionKeys;
use crate::http::{self, App, BodyBudget, Limits, Tls};
use crate::ledger_key::LedgerKeys;
use crate::log_limit::LogLimit;
use crate::metrics::{BuildLabels, Metrics};
use crate::outbound::Client;
use crate::queue::{self, OpenOptions, Queue};
use crate::renewal::Renewal;
use crate::source::auth::CertificateRule;
use crate::trace;

/// How often what has outlived its retention is removed.
const PRUNE: Duration = Duration::from_mins(1);
/// Between two steps of a removal that is not finished.
const PRUNE_STEP: Duration = Duration::from_millis(50);

/// Runs the receiver until SIGTERM or SIGINT, then finishes what was begun.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    cli.validate().map_err(anyhow::Error::msg)?;
    folder_exists("--manifests", &cli.manifests).map_err(anyhow::Error::msg)?;
    // An error means that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (renewal, authorities) = Renewal::read(&cli)?;
    let client = Client::new(cli.may_call_this_machine(), authorities.as_ref())?;
    let token = cli.admin_token_file.as_deref().map(TokenFile::open).transpose()?;
    // Bind first: a taken port should not open, and lock, the queue.
    let public = http::bind(&cli.listen)?;
    let private = http::bind(&cli.admin_listen)?;
    let seats = descriptors::connections(descriptors::raise());
    let access = renewal.access();
    let encryption = EncryptionKeys::read(cli.encryption_key_file.as_deref())?;
    let ledger_keys = LedgerKeys::read(cli.ledger_key_file.as_deref(), &access.url)?;
    let options = OpenOptions {
        prefix: cli.queue_prefix.clone(),
        authorities: access.authorities,
        identity_key: ledger_keys.key(),
        ledger_key: ledger_keys.key(),
        seals: encryption.seals(),
        shards: cli.queue_shards,
        acknowledge_replicas: cli.queue_acknowledge_replicas,
        accept_timeout: cli.accept_timeout,
        durability: cli.queue_durability,
        ..OpenOptions::default()
    };
    let queue = queue::open(&access.url, options)
        .await
        .map_err(|error| renewal.explain(error))?;
    let metrics = Arc::new(Metrics::new());
    let collector = || Client::new(true, authorities.as_ref());
    let (traces, exporting) = trace::start(collector, &metrics.trace_spans_dropped)?;
    let version = env!("CARGO_PKG_VERSION");
    metrics.build.get_or_create(&BuildLabels { version }).set(1);
    let (publish, config) = watch::channel(Arc::new(Config::not_read_yet()));
    let preflights = Arc::new(Preflights::default());
    let admin = Arc::new(Admin {
        config: config.clone(),
        loaded: AtomicBool::new(false),
        queue: Arc::clone(&queue),
        metrics: Arc::clone(&metrics),
        preflights: Arc::clone(&preflights),
        token,
        jobs: Notify::new(),
        figures: admin::Figures::default(),
        erasures: Notify::new(),
        audits: admin::Audits::default(),
        newer: admin::Newer::default(),
        complaints: Arc::clone(&renewal.complaints),
    });
    let queue_log = Arc::new(LogLimit::new());
    let app = Arc::new(App {
        config: config.clone(),
        queue: Arc::clone(&queue),
        metrics: Arc::clone(&metrics),
        bodies: BodyBudget::new(cli.body_memory << 20),
        behind_tls_proxy: cli.behind_tls_proxy,
        queue_log: Arc::clone(&queue_log),
        traces: traces.clone(),
    });
    let (listen, admin_listen) = (public.address, private.address);
    let tls = cli
        .tls_cert
        .clone()
        .zip(cli.tls_key.clone())
        .map(|(certificate, key)| Tls {
            certificate,
            key,
            client_ca: cli.tls_client_ca.clone(),
            look_every: http::LOOK_EVERY,
        });

    let stop = CancellationToken::new();
    let stop_admin = CancellationToken::new();
    let admin_server = tokio::spawn(http::serve(
        private,
        None,
        admin::router(Arc::clone(&admin), &listen.to_string()),
        Limits::admin(),
        Arc::clone(&metrics),
        stop_admin.clone(),
    ));
    let reader = tokio::spawn(follow_manifests(
        cli.folders(),
        publish,
        Arc::clone(&admin),
        cli.tls_client_ca.is_some(),
        stop.clone(),
    ));
    let server = tokio::spawn(http::serve(
        public,
        tls,
        http::router(app),
        Limits::senders(seats),
        Arc::clone(&metrics),
        stop.clone(),
    ));
    let keys = tokio::spawn(encryption.follow(Arc::clone(&renewal.complaints), stop.clone()));
    let ledger_keys = tokio::spawn(ledger_keys.follow(Arc::clone(&renewal.complaints), stop.clone()));
    let renewer = tokio::spawn(renewal.follow(Arc::clone(&queue), client.clone(), stop.clone()));
    let notice_client = client.clone();
    let shared = Shared {
        queue: Arc::clone(&queue),
        metrics,
        client,
        config,
        preflights,
        suspects: Arc::new(Semaphore::new(1)),
        queue_log,
        traces,
    };
    let errands = Errands::new(shared.clone());
    let delivery = tokio::spawn(Supervisor::new(shared).run(stop.clone()));
    let orphans = tokio::spawn(admin::watch_orphans(
        Arc::clone(&queue),
        admin.config.clone(),
        stop.clone(),
    ));
    let counter = tokio::spawn(http::count_pending(
        Arc::clone(&queue),
        admin.config.clone(),
        stop.clone(),
    ));
    let pruner = tokio::spawn(prune(Arc::clone(&queue), admin.config.clone(), stop.clone()));
    let jobs = tokio::spawn(admin::run_jobs(Arc::clone(&admin), stop.clone()));
    let figures = tokio::spawn(admin::follow_figures(Arc::clone(&admin), stop.clone()));
    let notices = tokio::spawn(admin::run_notices(
        Arc::clone(&admin),
        notice_client,
        stop.clone(),
    ));
    let erasures = tokio::spawn(admin::run_erasures(
        Arc::clone(&admin),
        errands.clone(),
        stop.clone(),
    ));
    let audits = tokio::spawn(admin::run_audits(Arc::clone(&admin), errands, stop.clone()));
    report_store(queue.as_ref()).await;
    // The reader of the manifests never ends before it is told to.
    let _ = admin.config.clone().changed().await;
    tracing::info!(%listen, %admin_listen, "ready to accept leads");

    let failure = tokio::select! {
        () = shutdown_signal() => None,
        ended = server => Some(("the server", ended)),
        ended = admin_server => Some(("the admin server", ended)),
    };
    tracing::info!("shutting down: draining in-flight work");
    stop.cancel();
    let (delivered, ..) = tokio::join!(
        delivery,
        reader,
        pruner,
        orphans,
        counter,
        renewer,
        keys,
        ledger_keys,
        jobs,
        erasures,
        audits,
        notices,
        figures
    );
    if let Err(error) = delivered {
        tracing::error!(%error, "delivery failed to shut down");
    }
    queue.close().await;
    if let Some(exporting) = exporting {
        exporting.finish().await;
    }
    stop_admin.cancel();
    match failure {
        None => Ok(()),
        Some((what, Ok(Ok(())))) => bail!("{what} stopped unexpectedly"),
        Some((what, Ok(Err(error)))) => Err(anyhow::Error::new(error).context(format!("{what} failed"))),
        Some((what, Err(error))) => Err(anyhow::Error::new(error).context(format!("{what} failed"))),
    }
}

/// Loads the manifests, now and whenever they change.
async fn follow_manifests(
    folders: Folders,
    publish: watch::Sender<Arc<Config>>,
    admin: Arc<Admin>,
    asks_for_certificates: bool,
    stop: CancellationToken,
) {
    let mut reloads = config::watch(&folders);
    loop {
        let previous = admin
            .loaded
            .load(Ordering::Relaxed)
            .then(|| Arc::clone(&publish.borrow()));
        let read = {
            let (folders, previous) = (folders.clone(), previous.clone());
            tokio::task::spawn_blocking(move || config::load(&folders, previous.as_deref())).await
        };
        match read {
            Ok(config) => {
                announce(&config, previous.as_deref());
                if !asks_for_certificates {
                    warn_of_certificates(&config, previous.as_deref());
                }
                admin.metrics.reloads.inc();
                admin
                    .metrics
                    .config_problems
                    .set(i64::try_from(config.problems.len()).unwrap_or(i64::MAX));
                publish.send_replace(Arc::new(config));
                admin.loaded.store(true, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::error!(%error, "failed to read the manifests; keeping the previous configuration");
            }
        }
        tokio::select! {
            () = reloads.next() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Says once what a load brought: new problems, and which objects run now in another form than before.
fn announce(config: &Config, previous: Option<&Config>) {
    let known: HashSet<_> = previous
        .iter()
        .flat_map(|p| p.problems.iter().chain(&p.warnings))
        .map(Problem::gist)
        .collect();
    for problem in config.problems.iter().chain(&config.warnings) {
        if known.contains(&problem.gist()) {
            continue;
        }
        let Problem {
            file, line, object, ..
        } = problem;
        let message = problem.told();
        match problem.severity {
            Severity::Error => tracing::error!(file, line, object, "{message}"),
            Severity::Warning => tracing::warn!(file, line, object, "{message}"),
        }
    }
    let (webhooks, sinks) = (config.running_webhooks(), config.sinks().count());
    let problems = config.problems.len();
    let changes = previous.map(|previous| config.changes_since(previous));
    match changes {
        None => tracing::info!(webhooks, sinks, problems, "manifests loaded"),
        Some(changes) if changes.is_empty() && previous.is_some_and(|p| p.problems.len() == problems) => {}
        Some(Changes {
            added,
            changed,
            removed,
        }) => tracing::info!(
            webhooks,
            sinks,
            problems,
            added = added.join(", "),
            changed = changed.join(", "),
            removed = removed.join(", "),
            "manifests reloaded"
        ),
    }
}

/// Says which webhooks wait for client certificates that this process does not ask for.
fn warn_of_certificates(config: &Config, previous: Option<&Config>) {
    let waits = |config: &Config| -> Vec<String> {
        let rules = config.webhooks().filter(|webhook| {
            webhook
                .certificate
                .as_ref()
                .is_some_and(CertificateRule::needs_own_tls)
        });
        rules.map(|webhook| webhook.id.to_string()).collect()
    };
    let known = previous.map(waits).unwrap_or_default();
    for webhook in waits(config).into_iter().filter(|id| !known.contains(id)) {
        tracing::error!(
            webhook,
            "auth.clientCertificate rejects every request: start the receiver with --tls-client-ca, or set forwarded"
        );
    }
}

/// Says at start what is wrong with the store.
async fn report_store(queue: &dyn Queue) {
    match queue.check().await {
        Ok(report) => {
            for problem in report.problems {
                tracing::warn!("queue: {problem}");
            }
            tracing::info!(
                write_latency_ms = report.write_latency.as_secs_f64() * 1000.0,
                "connected to the queue"
            );
        }
        Err(error) => {
            tracing::error!(%error, "queue unavailable, answering 503 with Retry-After");
        }
    }
}

async fn prune(queue: Arc<dyn Queue>, config: watch::Receiver<Arc<Config>>, stop: CancellationToken) {
    let mut wait = PRUNE_STEP;
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
        let bounds = config.borrow().ledger_bounds();
        wait = match queue.prune(&bounds).await {
            Ok(true) => PRUNE_STEP,
            Ok(false) => PRUNE,
            Err(error) => {
                tracing::debug!(%error, "failed to remove expired entries; will retry");
                PRUNE
            }
        };
    }
}

async fn shutdown_signal() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without a handler, SIGTERM ends the process at once; what is acknowledged is on disk.
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
