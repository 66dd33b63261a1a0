//! Reading a body: within the webhook's limit, within a time, and within the memory set aside for all bodies, of which one
//! webhook has a share.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::share::BodyShare;

/// A sender that needs longer than this for its body is cut off.
const SLOWEST: Duration = Duration::from_secs(20);
/// The unit in which memory is set aside.
const PERMIT_BYTES: usize = 1024;

/// Memory for all bodies that are being read or processed.
#[derive(Clone)]
pub struct BodyBudget(Arc<Semaphore>);

/// Memory of one body: of all that there is, and of its webhook's share.
pub(super) struct Memory {
    permit: OwnedSemaphorePermit,
    share: BodyShare,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoBody {
    /// Larger than the webhook allows.
    TooLarge,
    /// Too many bodies at once, of all webhooks or of this one.
    Busy,
    /// It did not arrive in time.
    Slow,
    /// The sender hung up.
    Broken,
}

impl BodyBudget {
    /// Sets aside `bytes` of memory.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / PERMIT_BYTES)))
    }

    /// Reads a body; its memory is accounted for until the permit is dropped.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        longest: usize,
        share: BodyShare,
    ) -> Result<(Bytes, Memory), NoBody> {
        let stated = headers
            .get(CONTENT_LENGTH)
            .and_then(|v| v.to_str().ok())
            .and_then(|t| t.parse::<usize>().ok());
        if stated.is_some_and(|length| length > longest) {
            return Err(NoBody::TooLarge);
        }
        // Memory is set aside for what arrived, not for what was announced: else a few senders that announce much and
        // send nothing would keep all others out.
        let mut memory = Memory {
            permit: self.take(1)?,
            share,
        };
        match tokio::time::timeout(SLOWEST, self.collect(body, longest, &mut memory)).await {
            Ok(read) => Ok((read?, memory)),
            Err(_) => Err(NoBody::Slow),
        }
    }

    async fn collect(&self, body: Body, longest: usize, memory: &mut Memory) -> Result<Bytes, NoBody> {
        let mut body = Limited::new(body, longest);
        // Most bodies come in one piece, which is passed on as it is.
        let mut first = Bytes::new();
        let mut joined = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    NoBody::TooLarge
                } else {
                    NoBody::Broken
                }
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = first.len() + joined.len() + data.len();
            if !memory.share.grow(length) {
                return Err(NoBody::Busy);
            }
            let missing = length
                .div_ceil(PERMIT_BYTES)
                .saturating_sub(memory.permit.num_permits());
            if missing > 0 {
                memory.permit.merge(self.take(missing)?);
            }
            if first.is_empty() && joined.is_empty() {
                first = data;
            } else {
                joined.extend_from_slice(&std::mem::take(&mut first));
                joined.extend_from_slice(&data);
            }
        }
        Ok(if joined.is_empty() { first } else { joined.freeze() })
    }

    fn take(&self, units: usize) -> Result<OwnedSemaphorePermit, NoBody> {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        Arc::clone(&self.0)
            .try_acquire_many_owned(units)
            .map_err(|_| NoBody::Busy)
    }
}
