//! What operators see and do while leads are delivered to a CRM that misbehaves.

mod access;
mod crashes;
mod crm;
mod dead_letters;
mod figures;
mod waiting;

use leadgate_tests::rig::{Rig, SECRET};
