//! Whose leads are refused: a set.

use redis::cmd;

use super::{
    RedisQueue,
    reply::{items, strange, text, unsigned},
};
use crate::queue::QueueError;

impl RedisQueue {
    /// Adds people (`SADD`), or removes them (`SREM`); how many that changed.
    pub(super) async fn change_suppressed(
        &self,
        command: &'static str,
        namespace: &str,
        people: &[String],
    ) -> Result<u64, QueueError> {
        if people.is_empty() {
            return Ok(0);
        }
        let mut change = cmd(command);
        change.arg(self.keys.suppressed());
        for person in people {
            change.arg(format!("{namespace}/{person}"));
        }
        unsigned(&self.link.query(&change).await?).ok_or_else(|| strange("suppressed"))
    }

    /// How many there are for a namespace.
    pub(super) async fn count_suppressed(&self, namespace: &str) -> Result<u64, QueueError> {
        let mut members = cmd("SMEMBERS");
        members.arg(self.keys.suppressed());
        let members = items(self.link.query(&members).await?, "suppressed")?;
        let is_of_it = |member: &String| member.rsplit_once('/').is_some_and(|(of, _)| of == namespace);
        Ok(members.into_iter().filter_map(text).filter(is_of_it).count() as u64)
    }
}
