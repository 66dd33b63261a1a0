//! Manifests and Secrets -> what the others run on; reloaded without a restart.
//!
//! * [`load`] reads a folder of manifests and compiles it. An object that no longer compiles keeps its previous form
//!   running; the [`Problem`] says why.
//! * `load`: from the folder to what runs; `objects`: one of them, compiled; `running`: what runs, and what changed. `files`: what a
//!   folder holds; `manifests`: files to objects.
//!   `yaml`: what is wrong with a text that is none. `secrets`: Secrets from manifests or mounted folders. `schema` and
//!   `shape`: the rules of the CRDs, off-cluster; `patterns`: their patterns in words; `field`: how all name a field. `sink`: a CrmSink compiled. `problem` and `locate`: what is wrong, and on which line.
//!   `watch`: when to load again.

mod candidate;
mod field;
mod files;
mod load;
mod locate;
mod manifests;
mod objects;
mod patterns;
mod problem;
mod running;
mod schema;
mod secrets;
mod shape;
mod sink;
mod warnings;
mod watch;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use candidate::candidate;
pub use load::{Folders, load};
pub use problem::{Problem, Severity};
pub use running::{Changes, Config, Served, Version};
pub use sink::{AuditSettings, DeliverySettings, Sink};
pub use watch::{Reloads, watch};
