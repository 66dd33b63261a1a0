//! The operator on a real API server: what it makes, what it says, what it leaves alone. No pod runs here; what a
//! kubelet and the other controllers would report, the tests write.

mod contested;
mod deletion;
mod drift;
mod election;
mod hands;
mod hostile;
mod installations;
mod objects;
mod pods;
mod redis;
mod references;
mod rig;
mod rights;
mod rules;
mod status;
mod stores;
mod waiting;
