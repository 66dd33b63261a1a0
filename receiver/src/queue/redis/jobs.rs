//! Jobs: a hash of them by id.

use redis::cmd;

use super::{
    RedisQueue,
    reply::{Items, bytes, number, strange},
    script,
};
use crate::queue::fields::Fields;
use crate::queue::{QueueError, StoredJob};

impl RedisQueue {
    pub(super) async fn all_jobs(&self) -> Result<Vec<StoredJob>, QueueError> {
        let mut get = cmd("HGETALL");
        get.arg(self.keys.jobs());
        let mut found = Vec::new();
        let mut answer = Items::of_map(self.link.query(&get).await?, "jobs")?;
        while let Some(id) = answer.text() {
            let packed = answer.next().and_then(bytes).ok_or_else(|| strange("jobs"))?;
            let mut fields = Fields::of(packed);
            let version = fields.number().ok_or_else(|| strange("jobs"))?;
            let body = fields.rest().to_vec();
            found.push(StoredJob { id, version, body });
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    pub(super) async fn write_job(&self, job: &StoredJob) -> Result<bool, QueueError> {
        let mut call = script::JOB_PUT.call(&self.keys, 1, job.body.len() + 64);
        call.arg(self.keys.jobs())
            .arg(&job.id)
            .arg(job.version)
            .arg(&job.body);
        Ok(number(&self.link.run(&script::JOB_PUT, &call).await?) == Some(1))
    }

    pub(super) async fn drop_job(&self, id: &str) -> Result<(), QueueError> {
        let mut delete = cmd("HDEL");
        delete.arg(self.keys.jobs()).arg(id);
        self.link.query(&delete).await.map(drop)
    }
}
