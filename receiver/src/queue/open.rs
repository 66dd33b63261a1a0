//! From a queue URL to a queue.

use std::sync::Arc;

use super::options::{OpenError, OpenOptions};
use super::sealed::SealedQueue;
use super::sharded::ShardedQueue;
use super::slots::prefixes;
use super::{Queue, redis, sqlite};

/// Opens the queue that `url` names: `sqlite:PATH`, `redis://`, `redis+sentinel://` or `redis+cluster://`, with TLS
/// `rediss://`, `rediss+sentinel://` or `rediss+cluster://`.
///
/// A Redis that cannot be reached is no error here: [`Queue::check`] reports it and it is connected to as soon
/// as it answers.
///
/// What it holds is sealed with [`OpenOptions::seals`].
pub async fn open(url: &str, options: OpenOptions) -> Result<Arc<dyn Queue>, OpenError> {
    let store = open_store(url, &options).await?;
    let OpenOptions {
        seals, identity_key, ..
    } = options;
    Ok(Arc::new(SealedQueue::new(store, seals, identity_key)))
}

async fn open_store(url: &str, options: &OpenOptions) -> Result<Arc<dyn Queue>, OpenError> {
    match store(url)? {
        Store::Sqlite(_) if options.shards > 1 => Err(OpenError::Invalid(
            "a SQLite queue has one shard: remove --queue-shards, or use Redis".into(),
        )),
        Store::Sqlite(path) => Ok(Arc::new(sqlite::SqliteQueue::open(path.into(), options).await?)),
        Store::Redis if options.shards > 1 => Ok(Arc::new(ShardedQueue::new(shards(url, options)?))),
        Store::Redis => Ok(Arc::new(redis::RedisQueue::open(url, options)?)),
    }
}

/// Each shard is a queue of its own, in a hash slot of its own.
fn shards(url: &str, options: &OpenOptions) -> Result<Vec<Arc<dyn Queue>>, OpenError> {
    let count = usize::from(options.shards);
    let prefixes = prefixes(&options.prefix, options.shards).into_iter();
    let shards = prefixes.map(|prefix| {
        let options = OpenOptions {
            prefix,
            max_waiting: options.max_waiting.div_ceil(count),
            max_waiting_bytes: options.max_waiting_bytes.div_ceil(count),
            ..options.clone()
        };
        Ok(Arc::new(redis::RedisQueue::open(url, &options)?) as Arc<dyn Queue>)
    });
    shards.collect()
}

/// The store that a URL names.
enum Store<'u> {
    /// In this file.
    Sqlite(&'u str),
    Redis,
}

/// Whether a URL names a store; nothing is opened.
pub fn recognises(url: &str) -> Result<(), OpenError> {
    store(url).map(drop)
}

fn store(url: &str) -> Result<Store<'_>, OpenError> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(OpenError::Unsupported("it names no scheme".into()));
    };
    match scheme {
        "sqlite" => match rest.strip_prefix("//").unwrap_or(rest) {
            "" => Err(OpenError::Invalid(
                "sqlite: needs a file, as in sqlite:leadgate.db".into(),
            )),
            path => Ok(Store::Sqlite(path)),
        },
        "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster" | "rediss+cluster" => {
            Ok(Store::Redis)
        }
        // Whatever stands before the colon may be part of a mistyped secret: it is not repeated.
        _ => Err(OpenError::Unsupported("its scheme is not known".into())),
    }
}
