//! Hears of leads that other processes pushed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use redis::{Client, Msg, RedisResult};
use tokio::time::timeout;

use super::connection::Link;
use crate::queue::{SinkId, notifier::Notifier};

/// Connecting, and being answered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a silent connection is tried: it may have died without a word.
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Between attempts to connect.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// Rings the bells of `wake`, for as long as it runs. `listening` tells whether pushes are heard.
pub(super) async fn listen(
    client: Client,
    channel: String,
    link: Link,
    wake: Arc<Notifier>,
    listening: Arc<AtomicBool>,
) {
    loop {
        if let Ok(Ok(connection)) = timeout(CONNECT_TIMEOUT, subscribe(&client, &channel)).await {
            listening.store(true, Ordering::Release);
            // What was pushed before went unheard.
            wake.push_all();
            hear(connection, &wake).await;
            listening.store(false, Ordering::Release);
            // The other connection likely broke with this one; then the next caller need not find out.
            link.suspect_current();
            wake.push_all();
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

async fn subscribe(client: &Client, channel: &str) -> RedisResult<redis::aio::PubSub> {
    let mut connection = client.get_async_pubsub().await?;
    connection.subscribe(channel).await?;
    Ok(connection)
}

/// Returns when the connection is gone.
async fn hear(connection: redis::aio::PubSub, wake: &Notifier) {
    let (mut sink, mut messages) = connection.split();
    loop {
        match timeout(PING_INTERVAL, messages.next()).await {
            Ok(Some(message)) => ring(&message, wake),
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

fn ring(message: &Msg, wake: &Notifier) {
    if let Ok(sink) = std::str::from_utf8(message.get_payload_bytes()) {
        wake.push(&SinkId::from(sink));
    }
}
