//! `kubectl leadgate` on a real API server. It has no kubelet, so nothing runs in pods: what is asked of receivers is tested
//! on a real node (`tests/tests/node`).

mod objects;
mod rights;
mod stage;
