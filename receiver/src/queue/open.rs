//! From a queue URL to a queue.

use std::sync::Arc;

use super::options::{OpenError, OpenOptions};
use super::sealed::SealedQueue;
use super::{Queue, redis, sqlite};

/// Opens the queue that `url` names: `sqlite:PATH`, `redis://` or `redis+sentinel://`, with TLS `rediss://` or
/// `rediss+sentinel://`.
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
        Store::Sqlite(path) => Ok(Arc::new(sqlite::SqliteQueue::open(path.into(), options).await?)),
        Store::Redis => Ok(Arc::new(redis::RedisQueue::open(url, options)?)),
    }
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
        "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" => Ok(Store::Redis),
        "redis+cluster" | "rediss+cluster" => Err(OpenError::Unsupported(format!(
            "{scheme}:// is not supported yet"
        ))),
        // Whatever stands before the colon may be part of a mistyped secret: it is not repeated.
        _ => Err(OpenError::Unsupported("its scheme is not known".into())),
    }
}
