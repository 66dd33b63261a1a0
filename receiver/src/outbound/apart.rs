//! Where calls run: on a thread of their own, so that nobody who answers can keep the others waiting.
//!
//! The HTTP client reads an answer's head without a pause for as long as more of it comes: whoever sends interim responses
//! (1xx) for ever would stop all that shares a thread with it, senders' requests and the console among them.

use std::future::Future;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio_util::task::AbortOnDropHandle;

/// The thread's runtime; `None`: there is none, and calls run where they are made.
static RUNTIME: OnceLock<Option<Handle>> = OnceLock::new();

/// Runs a call for at most so long; `None`: the time is over.
pub(super) async fn apart<T: Send + 'static>(
    most: Duration,
    call: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    match RUNTIME.get_or_init(start) {
        Some(runtime) => {
            let running = AbortOnDropHandle::new(runtime.spawn(call));
            tokio::time::timeout(most, running).await.ok()?.ok()
        }
        None => tokio::time::timeout(most, call).await.ok(),
    }
}

fn start() -> Option<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("outbound".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .ok()?;
    Some(handle)
}
