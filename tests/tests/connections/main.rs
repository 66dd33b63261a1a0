//! Who connects and gives nothing: everybody else is served meanwhile, and it ends in bounded time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a test stops at the first broken assumption

mod crowd;
mod deadlines;
