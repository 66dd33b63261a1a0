//! The console of the cluster: real tokens and real rights of a real API server, a real receiver behind it.

mod rights;
mod stage;
mod who;
