//! Reading a body: within the webhook's limit, within a time, and within the memory set aside for all bodies.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A sender that needs longer than this for its body is cut off.
const SLOWEST: Duration = Duration::from_secs(20);
/// The unit in which memory is set aside.
const UNIT: usize = 1024;

/// Memory for all bodies that are being read or processed.
#[derive(Clone)]
pub struct BodyBudget(Arc<Semaphore>);

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoBody {
    /// Larger than the webhook allows.
    TooLarge,
    /// Too many bodies at once.
    Busy,
    /// It did not arrive in time.
    Slow,
    /// The sender hung up.
    Broken,
}

impl BodyBudget {
    /// Sets aside `bytes` of memory.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT)))
    }

    /// Reads a body; its memory is accounted for until the permit is dropped.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        longest: usize,
    ) -> Result<(Bytes, OwnedSemaphorePermit), NoBody> {
        let stated = headers
            .get(CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok())
            .and_then(|t| t.parse::<usize>().ok());
        if stated.is_some_and(|length| length > longest) {
            return Err(NoBody::TooLarge);
        }
        let units = u32::try_from(stated.unwrap_or(longest).div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.0)
            .try_acquire_many_owned(units)
            .map_err(|_| NoBody::Busy)?;
        let read = tokio::time::timeout(SLOWEST, Limited::new(body, longest).collect());
        match read.await {
            Ok(Ok(collected)) => Ok((collected.to_bytes(), permit)),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(NoBody::TooLarge),
            Ok(Err(_)) => Err(NoBody::Broken),
            Err(_) => Err(NoBody::Slow),
        }
    }
}
