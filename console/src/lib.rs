//! The console: pages that show what became of leads and what needs a person, and forms that act on it.
//!
//! It knows neither queues nor Kubernetes. It asks receivers through [`Api`], which also says what the visitor may do:
//! in the receiver that is a call within the process, in the cluster one over the network. Personal data reach a page
//! only with a [`Clear`], which only [`Rights`] gives; what does not need them is read into types that have no place
//! for them.
//!
//! One page is one file of `pages`; what it says is in `texts`, a file for each language.

#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod act;
mod api;
mod chart;
mod form;
mod frame;
mod model;
mod origin;
mod pages;
mod respond;
mod route;
mod session;
mod show;
mod texts;

pub use api::{Answer, Api, Call, Clear, Failure, IDEMPOTENCY_KEY, Rights};
pub use origin::{is_https, is_own};
pub use pages::sign_in;
pub use respond::redirect;
pub use route::{LONGEST_BODY, asset, serve};
pub use session::{COOKIE, Sessions};

/// Where the pages are.
pub const BASE: &str = "/console";
