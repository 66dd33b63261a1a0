//! What the chart renders, with the Helm of `tests/cluster/cluster build`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod crds;
mod monitoring;
mod objects;
mod policy;
mod render;
mod rights;
mod values;
