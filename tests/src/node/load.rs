//! Senders that post all the time, and what they were answered.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinHandle;

use super::stage::post;

/// Senders at once; each waits for its answer.
const SENDERS: usize = 4;
/// Between two leads of one sender.
const PAUSE: Duration = Duration::from_millis(100);

/// What senders were answered.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Whose lead got 200.
    pub acknowledged: Vec<String>,
    /// What else they got.
    pub failures: Vec<String>,
}

impl Ledger {
    fn note(&mut self, email: String, outcome: anyhow::Result<(u16, String)>) {
        match outcome {
            Ok((200, _)) => self.acknowledged.push(email),
            Ok((status, text)) => self.failures.push(format!("{email}: {status} {text}")),
            Err(error) => self.failures.push(format!("{email}: {error:#}")),
        }
    }
}

/// Senders at work.
pub struct Load {
    key: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    ledger: Arc<Mutex<Ledger>>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(client: &reqwest::Client, url: &str, key: &str) -> Self {
        let key = Arc::new(Mutex::new(key.to_owned()));
        let stop = Arc::new(AtomicBool::new(false));
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let senders = (0..SENDERS)
            .map(|sender| {
                let (client, url) = (client.clone(), url.to_owned());
                let (key, stop, ledger) = (Arc::clone(&key), Arc::clone(&stop), Arc::clone(&ledger));
                tokio::spawn(async move {
                    let mut number = 0;
                    while !stop.load(Ordering::Relaxed) {
                        number += 1;
                        let email = format!("person-{sender}-{number}@example.com");
                        let with = key.lock().unwrap().clone();
                        let outcome = post(&client, &url, &with, &email).await;
                        ledger.lock().unwrap().note(email, outcome);
                        tokio::time::sleep(PAUSE).await;
                    }
                })
            })
            .collect();
        Self {
            key,
            stop,
            ledger,
            senders,
        }
    }

    /// From now on senders sign with this key.
    pub fn sign_with(&self, key: &str) {
        key.clone_into(&mut self.key.lock().unwrap());
    }

    /// How many leads were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.ledger.lock().unwrap().acknowledged.len()
    }

    /// How many were not accepted so far.
    pub fn failures(&self) -> usize {
        self.ledger.lock().unwrap().failures.len()
    }

    /// Ends the senders and gives what they were answered.
    pub async fn stop(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.expect("a sender panicked");
        }
        std::mem::take(&mut *self.ledger.lock().unwrap())
    }
}
