//! Files that say how the store and CRMs are reached: read at the start, and again when they change, so that neither a
//! password nor an authority needs a restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use crate::cli::Cli;
use crate::outbound::{Authorities, Client};
use crate::queue::{Access, OpenError, Queue};

/// How often the files are looked at. Mounted Secrets take up to a minute to change anyway.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Between two looks that refusals by the store cause.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(250);

const QUEUE_FILE: &str = "--queue-file";
const OUTBOUND_CA: &str = "--outbound-ca";
const QUEUE_CA: &str = "--queue-ca";

/// What is wrong with the files now, each with its remedy.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    /// About the queue's URL.
    pub(crate) queue: Complaint,
    /// About the authorities.
    pub(crate) authorities: Complaint,
    /// About those of the queue.
    pub(crate) queue_authorities: Complaint,
    /// About the encryption keys.
    pub(crate) encryption: Complaint,
    /// About the ledger keys.
    pub(crate) ledger: Complaint,
}

/// What is wrong with one file.
#[derive(Debug, Default)]
pub(crate) struct Complaint(Mutex<Option<String>>);

impl Complaint {
    pub(crate) fn now(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says what is new once.
    pub(crate) fn set(&self, flag: &str, path: Option<&Path>, outcome: Result<(), String>) {
        let text = outcome.err().map(|why| {
            let path = path.unwrap_or_else(|| Path::new(""));
            format!("{flag} {}: {why}", path.display())
        });
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == text {
            return;
        }
        if let Some(text) = &text {
            tracing::warn!("{text}");
        } else {
            tracing::info!("{flag}: the file can be used again");
        }
        *known = text;
    }
}

/// A file with authorities, and what was last taken from it.
struct Bundle {
    flag: &'static str,
    path: PathBuf,
    pem: Vec<u8>,
}

impl Bundle {
    fn read(flag: &'static str, path: &Path) -> anyhow::Result<(Self, Authorities)> {
        let read = read(path).and_then(|pem| Ok((Authorities::parse(&pem)?, pem)));
        let (authorities, pem) = read.map_err(|why| explain(flag, path, &why))?;
        let path = path.to_owned();
        Ok((Self { flag, path, pem }, authorities))
    }

    /// Takes what is in the file now. `trust` is given what is new.
    fn look(
        &mut self,
        pem: Result<Vec<u8>, String>,
        complaint: &Complaint,
        trust: impl FnOnce(&Authorities) -> Result<(), String>,
    ) {
        let outcome = pem.and_then(|pem| {
            if pem == self.pem {
                return Ok(());
            }
            trust(&Authorities::parse(&pem)?)?;
            self.pem = pem;
            tracing::info!("{}: the authorities changed", self.flag);
            Ok(())
        });
        let told = outcome.map_err(|why| format!("{why}; the former authorities stay in use"));
        complaint.set(self.flag, Some(&self.path), told);
    }
}

/// The files, and what was last taken from them.
pub(crate) struct Renewal {
    queue_file: Option<PathBuf>,
    /// Never printed: it may hold a password.
    url: String,
    outbound_ca: Option<Bundle>,
    queue_ca: Option<Bundle>,
    /// Those of the queue.
    authorities: Option<Arc<[u8]>>,
    /// What is wrong with them.
    pub(crate) complaints: Arc<Complaints>,
}

impl Renewal {
    /// Reads the files; gives the authorities of CRMs.
    pub(crate) fn read(cli: &Cli) -> anyhow::Result<(Self, Option<Authorities>)> {
        let url = match &cli.queue_file {
            Some(path) => read_url(path).map_err(|why| explain(QUEUE_FILE, path, &why))?,
            None => cli.queue.clone(),
        };
        let bundle = |flag, path: &Option<PathBuf>| {
            let read = path.as_deref().map(|path| Bundle::read(flag, path));
            read.transpose().map(Option::unzip)
        };
        let (outbound_ca, outbound) = bundle(OUTBOUND_CA, &cli.outbound_ca)?;
        let (queue_ca, of_queue) = bundle(QUEUE_CA, &cli.queue_ca)?;
        let renewal = Self {
            queue_file: cli.queue_file.clone(),
            url,
            outbound_ca,
            queue_ca,
            authorities: match (&of_queue, &outbound) {
                (Some(own), _) => Some(own.alone()),
                (None, outbound) => outbound.as_ref().map(Authorities::with_public),
            },
            complaints: Arc::default(),
        };
        Ok((renewal, outbound))
    }

    /// How the queue is opened.
    pub(crate) fn access(&self) -> Access {
        Access {
            url: self.url.clone(),
            authorities: self.authorities.clone(),
        }
    }

    /// Names the file in an error of opening the queue.
    pub(crate) fn explain(&self, error: OpenError) -> anyhow::Error {
        let error = anyhow::Error::new(error);
        match &self.queue_file {
            Some(path) => error.context(format!("{QUEUE_FILE} {}", path.display())),
            None => error,
        }
    }

    /// Takes changes into use, until `stop`. When the store refuses the password, the file is looked at at once.
    pub(crate) async fn follow(mut self, queue: Arc<dyn Queue>, client: Client, stop: CancellationToken) {
        if self.queue_file.is_none() && self.outbound_ca.is_none() && self.queue_ca.is_none() {
            return;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = queue.access_refused() => {}
                () = stop.cancelled() => return,
            }
            // Reading may wait for a disk.
            let path = |bundle: &Option<Bundle>| bundle.as_ref().map(|bundle| bundle.path.clone());
            let (file, bundles) = (
                self.queue_file.clone(),
                [&self.outbound_ca, &self.queue_ca].map(path),
            );
            let look = move || {
                let bundles = bundles.map(|path| path.as_deref().map(read));
                (file.as_deref().map(read_url), bundles)
            };
            if let Ok((url, bundles)) = tokio::task::spawn_blocking(look).await {
                let trusts_others = self.look_at_authorities(bundles, &client);
                self.look_at_url(url, trusts_others, queue.as_ref());
            }
            tokio::time::sleep(LOOK_AT_MOST_EVERY).await;
        }
    }

    /// Whether the queue trusts others from now on.
    fn look_at_authorities(
        &mut self,
        [outbound, of_queue]: [Option<Result<Vec<u8>, String>>; 2],
        client: &Client,
    ) -> bool {
        let is_apart = self.queue_ca.is_some();
        let mut trusted = None;
        if let (Some(bundle), Some(pem)) = (&mut self.outbound_ca, outbound) {
            bundle.look(pem, &self.complaints.authorities, |authorities| {
                client.trust(authorities).map_err(|error| format!("{error:#}"))?;
                trusted = (!is_apart).then(|| authorities.with_public());
                Ok(())
            });
        }
        if let (Some(bundle), Some(pem)) = (&mut self.queue_ca, of_queue) {
            bundle.look(pem, &self.complaints.queue_authorities, |authorities| {
                trusted = Some(authorities.alone());
                Ok(())
            });
        }
        let is_new = trusted.is_some();
        self.authorities = trusted.or(self.authorities.take());
        is_new
    }

    fn look_at_url(&mut self, url: Option<Result<String, String>>, trusts_others: bool, queue: &dyn Queue) {
        let url = url.unwrap_or_else(|| Ok(self.url.clone()));
        let outcome = url.and_then(|url| {
            let is_changed = url != self.url;
            if !is_changed && !trusts_others {
                return Ok(());
            }
            let access = Access {
                url,
                authorities: self.authorities.clone(),
            };
            match queue.renew_access(&access) {
                Ok(()) if is_changed => {
                    tracing::info!("{QUEUE_FILE}: the user name or password changed");
                    self.url = access.url;
                    Ok(())
                }
                Ok(()) => Ok(()),
                // A file of one's own has no authorities.
                Err(OpenError::OtherStore) if !is_changed => Ok(()),
                Err(OpenError::OtherStore) => Err(
                    "it names another queue than the one in use; once no leads wait in that one, restart the receiver to \
                     change over"
                        .to_owned(),
                ),
                Err(error) => Err(error.to_string()),
            }
        });
        let told = outcome.map_err(|why| format!("{why}; the former queue URL stays in use"));
        let path = self.queue_file.as_deref();
        self.complaints.queue.set(QUEUE_FILE, path, told);
    }
}

fn explain(flag: &str, path: &Path, why: &str) -> anyhow::Error {
    anyhow!("{flag} {}: {why}", path.display())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))
}

/// The error never repeats what the file holds.
fn read_url(path: &Path) -> Result<String, String> {
    let text = String::from_utf8(read(path)?)
        .map_err(|_| "the file is not text; write the queue URL into it".to_owned())?;
    let url = text.trim();
    if url.is_empty() {
        return Err("the file is empty; write the queue URL into it".to_owned());
    }
    Ok(url.to_owned())
}
