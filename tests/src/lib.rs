//! What the tests of the whole product share.

pub mod cluster;
pub mod redis_server;
