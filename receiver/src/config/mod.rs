//! Manifests and Secrets -> what the others run on; reloaded without a restart.
//!
//! * [`load`] reads a folder of manifests and compiles it. An object that no longer compiles keeps its previous form
//!   running; the [`Problem`] says why.
//! * `load`: from the folder to what runs; `running`: that, and what changed. `manifests`: YAML files to objects.
//!   `secrets`: Secrets from manifests or mounted folders. `schema` and `shape`: the rules of the CRDs, off-cluster;
//!   `field`: how both name a field. `sink`: a CrmSink compiled. `problem` and `locate`: what is wrong, and on which line.
//!   `watch`: when to load again.

mod field;
mod load;
mod locate;
mod manifests;
mod problem;
mod running;
mod schema;
mod secrets;
mod shape;
mod sink;
mod warnings;
mod watch;

pub use load::{Folders, load};
pub use problem::{Problem, Severity};
pub use running::{Changes, Config};
pub use sink::{DeliverySettings, Sink};
pub use watch::{Reloads, watch};
