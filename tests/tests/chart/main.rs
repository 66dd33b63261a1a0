//! What the chart renders, with the Helm of `tests/cluster/cluster build`.

mod accepted;
mod console;
mod crds;
mod monitoring;
mod objects;
mod policy;
mod releases;
mod render;
mod rights;
mod values;
