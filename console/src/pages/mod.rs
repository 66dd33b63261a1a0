//! The pages. Each is a file: what it asks for, what it shows of it, and how.

pub(crate) mod audit;
pub(crate) mod jobs;
pub(crate) mod lead;
pub(crate) mod leads;
pub(crate) mod needs;
pub(crate) mod overview;
pub(crate) mod privacy;
pub(crate) mod problem;
pub(crate) mod result;
pub mod sign_in;
pub(crate) mod sink;
pub(crate) mod sure;
pub(crate) mod try_it;
pub(crate) mod webhook;
