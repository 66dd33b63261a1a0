//! Hears of leads that other processes pushed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use redis::{Client, RedisResult};
use tokio::{sync::watch, time::timeout};

use super::{connection::Link, keeper::Proven};
use crate::queue::{SinkId, notifier::Notifier};

/// Connecting, and being answered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a silent connection is tried: it may have died without a word.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Between attempts to connect.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// Rings the bells of `wake`, for as long as it runs, on a connection to the last server that let us in. `listening`
/// tells whether pushes are heard.
pub(super) async fn listen(
    mut proven: watch::Receiver<Option<Proven>>,
    channel: String,
    link: Link,
    wake: Arc<Notifier>,
    listening: Arc<AtomicBool>,
) {
    loop {
        let client = match proven.wait_for(Option::is_some).await {
            Ok(proven) => proven.as_ref().map(|proven| proven.server.clone()),
            Err(_) => return,
        };
        let Some(client) = client else { continue };
        if let Ok(Ok(connection)) = timeout(CONNECT_TIMEOUT, subscribe(&client, &channel)).await {
            listening.store(true, Ordering::Release);
            // What was pushed before went unheard.
            wake.push_all();
            let is_renewed = tokio::select! {
                () = hear(connection, |sink| wake.push(&SinkId::from(sink))) => false,
                // Without a keeper there is nobody to say which server it is.
                changed = proven.changed() => {
                    if changed.is_err() {
                        listening.store(false, Ordering::Release);
                        return;
                    }
                    true
                }
            };
            listening.store(false, Ordering::Release);
            wake.push_all();
            if is_renewed {
                continue;
            }
            // The other connection likely broke with this one; then the next caller need not find out.
            link.suspect_current();
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

async fn subscribe(client: &Client, channel: &str) -> RedisResult<redis::aio::PubSub> {
    let mut connection = client.get_async_pubsub().await?;
    connection.subscribe(channel).await?;
    Ok(connection)
}

/// Tells what is published, and returns when the connection is gone.
pub(super) async fn hear(connection: redis::aio::PubSub, mut tell: impl FnMut(&str)) {
    let (mut sink, mut messages) = connection.split();
    loop {
        match timeout(PING_INTERVAL, messages.next()).await {
            Ok(Some(message)) => {
                if let Ok(text) = std::str::from_utf8(message.get_payload_bytes()) {
                    tell(text);
                }
            }
            Ok(None) => return,
            Err(_) => {
                if !matches!(
                    timeout(CONNECT_TIMEOUT, sink.ping::<redis::Value>()).await,
                    Ok(Ok(_))
                ) {
                    return;
                }
            }
        }
    }
}
