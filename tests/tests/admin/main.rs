//! What operators see and do while leads are delivered to a CRM that misbehaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a test stops at the first broken assumption

mod access;
mod crashes;
mod crm;
mod dead_letters;
mod figures;
mod waiting;

use leadgate_tests::rig::{Rig, SECRET};
