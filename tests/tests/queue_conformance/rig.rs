//! The queue under test, and short ways to use it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use leadgate_receiver::queue::*;
use leadgate_tests::redis_cluster::RedisCluster;
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::sentinel::{Sentinel, Setup};
use tempfile::TempDir;

/// The lease of claims that shall not end within a test.
pub const LONG: Duration = Duration::from_mins(5);
/// How long recovery may take: the promise is 5 s, the rest is for busy machines.
pub const RECOVERY: Duration = Duration::from_secs(15);

/// Starting one takes seconds, so it passes from one test to the next.
pub type SharedCluster = Arc<Mutex<RedisCluster>>;

pub struct Rig {
    pub queue: Arc<dyn Queue>,
    pub redis: Option<RedisServer>,
    pub sentinel: Option<Sentinel>,
    pub cluster: Option<SharedCluster>,
    /// What its store is sealed with.
    pub seals: Seals,
    directory: TempDir,
    options: OpenOptions,
}

/// Every byte in the files of these folders; an error if one goes meanwhile.
fn all_files(mut folders: Vec<std::path::PathBuf>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                bytes.extend(std::fs::read(path)?);
            }
        }
    }
    Ok(bytes)
}

impl Rig {
    pub async fn sqlite() -> Self {
        Self::sqlite_with(options()).await
    }

    pub async fn sqlite_with(options: OpenOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/queue.db", directory.path().display());
        let queue = open(&url, options.clone()).await.unwrap();
        Self {
            queue,
            redis: None,
            sentinel: None,
            cluster: None,
            directory,
            seals: options.seals.clone(),
            options,
        }
    }

    pub async fn redis() -> Self {
        Self::redis_with(RedisServer::start().unwrap()).await
    }

    /// On a group of one primary and one replica, which acknowledges each lead; with TLS.
    pub async fn sentinel() -> Self {
        let setup = Setup {
            replicas: 1,
            tls: true,
            ..Setup::default()
        };
        let group = tokio::task::block_in_place(|| Sentinel::start(setup).unwrap());
        let authorities = group.tls.as_ref().unwrap().authorities().unwrap();
        let options = OpenOptions {
            authorities: Some(authorities.into_bytes().into()),
            ..options()
        };
        Self {
            queue: open(&group.url(), options.clone()).await.unwrap(),
            redis: None,
            sentinel: Some(group),
            cluster: None,
            directory: tempfile::tempdir().unwrap(),
            seals: options.seals.clone(),
            options,
        }
    }

    /// On a cluster of three primaries, each with a replica which acknowledges each lead; in three shards.
    pub async fn cluster(cluster: SharedCluster) -> Self {
        let url = tokio::task::block_in_place(|| {
            let cluster = cluster.lock().unwrap();
            cluster.clear().unwrap();
            cluster.url()
        });
        let options = OpenOptions {
            prefix: LeadId::generate().to_string(),
            shards: 3,
            ..options()
        };
        Self {
            queue: open(&url, options.clone()).await.unwrap(),
            redis: None,
            sentinel: None,
            cluster: Some(cluster),
            directory: tempfile::tempdir().unwrap(),
            seals: options.seals.clone(),
            options,
        }
    }

    pub async fn redis_with(server: RedisServer) -> Self {
        Self::redis_options(server, options()).await
    }

    /// On a server that others use too, or have used.
    pub async fn redis_apart(server: RedisServer) -> Self {
        let prefix = LeadId::generate().to_string();
        Self::redis_options(server, OpenOptions { prefix, ..options() }).await
    }

    async fn redis_options(server: RedisServer, options: OpenOptions) -> Self {
        let queue = open(&server.url(), options.clone()).await.unwrap();
        Self {
            queue,
            redis: Some(server),
            sentinel: None,
            cluster: None,
            directory: tempfile::tempdir().unwrap(),
            seals: options.seals.clone(),
            options,
        }
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("queue.db")
    }

    /// Every byte in the files of its store.
    pub fn on_disk(&self) -> Vec<u8> {
        let servers = self.redis.iter();
        let servers = servers.chain(self.sentinel.iter().flat_map(|group| &group.servers));
        let mut folders: Vec<_> = servers.map(|server| server.directory().to_owned()).collect();
        if let Some(cluster) = &self.cluster {
            let servers = &cluster.lock().unwrap().servers;
            folders.extend(servers.iter().map(|server| server.directory().to_owned()));
        }
        folders.push(self.directory.path().to_owned());
        loop {
            match all_files(folders.clone()) {
                Ok(bytes) => return bytes,
                // Redis renames and removes its files when it has rewritten them.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The URL, unless it is a file.
    fn redis_url(&self) -> Option<String> {
        let server = self.redis.as_ref().map(RedisServer::url);
        let group = self.sentinel.as_ref().map(Sentinel::url);
        server
            .or(group)
            .or_else(|| Some(self.cluster.as_ref()?.lock().unwrap().url()))
    }

    /// Another handle of the same queue; SQLite has one process and therefore one handle.
    pub async fn second(&self) -> Arc<dyn Queue> {
        let Some(url) = self.redis_url() else {
            return self.queue.clone();
        };
        open(&url, self.options.clone()).await.unwrap()
    }

    /// Another handle, with another ledger key or without one; a SQLite file is closed first.
    pub async fn with_ledger_key(&self, key: Option<LedgerKey>) -> Result<Arc<dyn Queue>, OpenError> {
        let url = if let Some(url) = self.redis_url() {
            url
        } else {
            self.queue.close().await;
            format!("sqlite:{}", self.path().display())
        };
        let ledger_key = key;
        open(
            &url,
            OpenOptions {
                ledger_key,
                ..self.options.clone()
            },
        )
        .await
    }

    /// The store fails and comes back: Redis is killed and restarted, the primaries of a group are killed and replaced, the
    /// SQLite file closed and opened.
    pub async fn crash(&mut self) {
        if let Some(group) = &mut self.sentinel {
            tokio::task::block_in_place(|| {
                let before = group.primary().unwrap();
                group.servers[before].kill();
                group.replaced(before).unwrap();
                group.restore().unwrap();
            });
            eventually("the queue works again", || async {
                self.queue.check().await.is_ok()
            })
            .await;
        } else if let Some(cluster) = &self.cluster {
            tokio::task::block_in_place(|| {
                let mut cluster = cluster.lock().unwrap();
                for before in cluster.primaries().unwrap() {
                    cluster.servers[before].kill();
                    cluster.replaced(before).unwrap();
                    cluster.restore().unwrap();
                }
            });
            eventually("all shards work again", || async {
                let report = self.queue.check().await;
                report.is_ok_and(|report| report.problems.is_empty())
            })
            .await;
        } else if let Some(server) = &mut self.redis {
            server.kill();
            server.restart().unwrap();
            eventually("the queue works again", || async {
                self.queue.check().await.is_ok()
            })
            .await;
        } else {
            self.queue.close().await;
            let url = format!("sqlite:{}", self.path().display());
            self.queue = open(&url, self.options.clone()).await.unwrap();
        }
    }

    pub async fn accept(&self, lead: NewLead) -> Admission {
        self.queue.accept(vec![lead]).await.unwrap().remove(0)
    }

    pub async fn claim(&self, max: usize) -> Vec<Claim> {
        self.queue.claim(&crm(), max, LONG).await.unwrap().claims
    }

    pub async fn claim_for(&self, lease: Duration) -> Vec<Claim> {
        self.queue.claim(&crm(), 100, lease).await.unwrap().claims
    }

    /// Claims until there is something to claim.
    pub async fn claim_soon(&self) -> Claim {
        let deadline = tokio::time::Instant::now() + RECOVERY;
        loop {
            if let Some(claim) = self.claim(1).await.pop() {
                return claim;
            }
            assert!(tokio::time::Instant::now() < deadline, "nothing became due");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn settle(&self, claim: &Claim, outcome: Disposition) -> Settled {
        let settlement = Settlement::of(claim, outcome);
        self.queue
            .settle(&crm(), vec![settlement])
            .await
            .unwrap()
            .remove(0)
    }

    pub async fn dead_letter(&self, claim: &Claim, set: DeadLetterSet) -> Settled {
        self.settle(
            claim,
            Disposition::DeadLetter {
                set,
                why: why("Refused"),
                keep: LONG,
            },
        )
        .await
    }

    /// Puts a dead letter back into its sink's line.
    pub async fn replay(
        &self,
        set: DeadLetterSet,
        sink: &SinkId,
        id: &LeadId,
        record: Option<(&str, Duration)>,
    ) -> bool {
        let how = Requeue {
            record,
            ..Requeue::default()
        };
        self.queue
            .requeue(set, Some(sink), id, std::slice::from_ref(sink), how)
            .await
            .unwrap()
            .is_done()
    }

    /// Removes all that is held of a contact, as an erasure does; tells how much. What is being delivered stays.
    pub async fn erase(&self, contact: &str) -> u64 {
        let contact = Contact::from(contact);
        let known = self.queue.known_as(&contact);
        let mut erased = 0;
        for set in [
            DeadLetterSet::Pending,
            DeadLetterSet::Held,
            DeadLetterSet::Dead,
            DeadLetterSet::Unrouted,
            DeadLetterSet::Delivered,
        ] {
            for lead in self.listed(set).await {
                if lead.contact.as_ref() == Some(&known) {
                    let gone = self
                        .queue
                        .remove(set, lead.sink.as_ref(), &lead.id, Removal::Erased, "ops")
                        .await;
                    erased += u64::from(gone.unwrap());
                }
            }
        }
        self.queue.forget(&known, &[crm(), other_crm()]).await.unwrap();
        erased
    }

    /// Claims and delivers everything that is due; tells the ids in order.
    pub async fn deliver_all(&self) -> Vec<LeadId> {
        let mut delivered = Vec::new();
        loop {
            let claims = self.claim(100).await;
            if claims.is_empty() {
                return delivered;
            }
            for claim in claims {
                assert_eq!(self.settle(&claim, DELIVERED).await, Settled::Done);
                delivered.push(claim.id);
            }
        }
    }

    pub async fn stats(&self) -> SinkStats {
        self.queue.sink_stats(&[crm()]).await.unwrap().remove(0)
    }

    pub async fn listed(&self, set: DeadLetterSet) -> Vec<DeadLetter> {
        let filter = ListFilter {
            limit: 1000,
            ..ListFilter::default()
        };
        self.queue.list(set, &filter).await.unwrap().items
    }
}

pub const LEDGER_KEY: &[u8] = b"of the tests, 16 and more";

pub fn options() -> OpenOptions {
    OpenOptions {
        ledger_key: LedgerKey::new(LEDGER_KEY),
        seals: Seals::new(KeyRing::new(vec![SealKey::new(&[b'k'; 32]).unwrap()])),
        ..OpenOptions::default()
    }
}

pub const DELIVERED: Disposition = Disposition::delivered(None);

pub fn crm() -> SinkId {
    SinkId::from("shop/crm")
}

pub fn other_crm() -> SinkId {
    SinkId::from("shop/newsletter")
}

pub fn form() -> WebhookId {
    WebhookId::from("shop/form")
}

pub fn retry(after: Duration) -> Disposition {
    Disposition::Retry {
        after,
        in_doubt: false,
        why: not_yet(),
    }
}

/// Why a lead is tried again.
pub fn not_yet() -> LastError {
    LastError::new("Unavailable", "in words: ä|:\n")
}

pub fn why(reason: &str) -> DeadLetterReason {
    DeadLetterReason {
        reason: reason.into(),
        message: "in words: ä|:\n".into(),
        answer: "{\"no\":1}".into(),
    }
}

/// What a lead says; those of different numbers have nothing in common.
pub fn content(number: u8) -> Content {
    Content {
        posted: [number; 8],
        mapped: [number; 8],
    }
}

/// A lead of `person` whose submission is `key`.
pub fn lead(person: &str, key: &str) -> NewLead {
    NewLead {
        id: LeadId::generate(),
        webhook: form(),
        dedupe: DedupeKey::from(key),
        content: content(0),
        window: Duration::from_hours(1),
        contact: Contact::from(person),
        sinks: vec![crm()].into(),
        keep: LONG,
        people: Vec::new(),
        original: None,
        body: Bytes::from(format!("body of {key}")),
    }
}

/// A lead of `person` that is like no other.
pub fn fresh(person: &str) -> NewLead {
    lead(person, LeadId::generate().as_str())
}

/// Waits until `holds` answers true.
pub async fn eventually<F, Fut>(what: &str, holds: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = bool>,
{
    let deadline = tokio::time::Instant::now() + RECOVERY;
    while !holds().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "did not happen in time: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
