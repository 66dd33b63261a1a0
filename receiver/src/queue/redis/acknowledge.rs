//! A script whose answer counts once replicas have what it wrote.
//!
//! `WAIT` counts the replicas that received it, `WAITAOF` the disks. Alone, `WAITAOF` takes a second, because a replica
//! tells of its disk only when it is asked a second time; behind a `WAIT`, it is (measured with Valkey 8.0.1 and 9.1.2).
//! A server without `WAITAOF` (before 7.2) reports a write to the primary after it has synced it, if its `appendfsync`
//! is `always` (observed with strace, Redis 7.0.15); the check looks at that setting.
//!
//! Both commands count acknowledgements of what their own connection wrote last, and pass at once if that is long ago. A
//! repeated accept may write nothing, so a key is written behind each script.

use std::time::Duration;

use redis::{Cmd, Pipeline, RedisError, RedisResult, Value, aio::MultiplexedConnection};

use super::script::millis;

/// How long the key that is written stays.
const MARK_FOR: Duration = Duration::from_mins(1);

/// What is sent for a script.
pub(super) enum Request {
    /// The script alone.
    Plain(Cmd),
    /// The script, and what waits for so many replicas.
    Acknowledged(Pipeline, u32),
}

/// Why an answer does not count.
#[derive(Debug)]
pub(super) enum Short {
    /// The script, or a command behind it, failed.
    Error(RedisError),
    /// So many replicas have it, in time.
    Replicas(u32),
    /// So many replicas have it on disk, in time.
    Disks(u32),
}

impl Request {
    /// `mark` is a key to write; replicas have twice `patience` at most.
    pub(super) fn new(
        script: Cmd,
        mark: &str,
        replicas: u32,
        waits_for_disks: bool,
        patience: Duration,
    ) -> Self {
        if replicas == 0 {
            return Self::Plain(script);
        }
        // 0 would be for ever.
        let patience = millis(patience).max(1);
        let mut pipeline = Pipeline::with_capacity(4);
        pipeline.ignore_errors().add_command(script);
        pipeline
            .cmd("SET")
            .arg(mark)
            .arg(1)
            .arg("PX")
            .arg(millis(MARK_FOR));
        pipeline.cmd("WAIT").arg(replicas).arg(patience);
        if waits_for_disks {
            pipeline.cmd("WAITAOF").arg(1).arg(replicas).arg(patience);
        }
        Self::Acknowledged(pipeline, replicas)
    }

    /// The script's answer.
    pub(super) async fn send(&self, connection: &mut MultiplexedConnection) -> Result<Value, Short> {
        match self {
            Self::Plain(script) => script.query_async(connection).await.map_err(Short::Error),
            Self::Acknowledged(pipeline, replicas) => {
                let answers = pipeline.query_async(connection).await.map_err(Short::Error)?;
                counted(answers, *replicas)
            }
        }
    }
}

/// The answers to the script, the mark, `WAIT` and perhaps `WAITAOF`.
fn counted(answers: Vec<RedisResult<Value>>, needed: u32) -> Result<Value, Short> {
    let mut answers = answers.into_iter();
    let mut next = || answers.next().transpose().map_err(Short::Error);
    let answer = next()?.unwrap_or(Value::Nil);
    next()?;
    let replicas = next()?.map_or(0, |value| count(&value));
    if replicas < needed {
        return Err(Short::Replicas(replicas));
    }
    if let Some(Value::Array(disks)) = next()? {
        let mut disks = disks.iter().map(count);
        let (own, others) = (disks.next().unwrap_or(0), disks.next().unwrap_or(0));
        if own < 1 || others < needed {
            return Err(Short::Disks(others));
        }
    }
    Ok(answer)
}

fn count(value: &Value) -> u32 {
    super::reply::unsigned(value)
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(0)
}

/// Says how many replicas there were of how many.
pub(super) fn in_words(what: &Short, needed: u32) -> String {
    let (found, verb) = match what {
        Short::Replicas(found) => (found, "received"),
        Short::Disks(found) => (found, "wrote to its disk"),
        Short::Error(error) => return super::connection::in_words(error),
    };
    format!(
        "{found} of the {needed} replicas that must acknowledge a lead {verb} it in time: see whether the replicas of \
         Redis run and follow the primary"
    )
}

/// Whether a server must be told the script first.
pub(super) fn is_unknown_script(what: &Short) -> bool {
    matches!(what, Short::Error(error) if error.code() == Some("NOSCRIPT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Value = Value::Nil;

    fn int(number: i64) -> Value {
        Value::Int(number)
    }

    fn disks(own: i64, others: i64) -> Value {
        Value::Array(vec![int(own), int(others)])
    }

    fn result(answer: Value) -> RedisResult<Value> {
        match answer {
            REFUSED => Err(RedisError::from((redis::ErrorKind::Client, "refused"))),
            answer => Ok(answer),
        }
    }

    #[test]
    fn an_answer_counts_once_enough_replicas_have_it() {
        for (answers, needed, shown) in [
            (vec![int(7), int(1), int(1)], 1, "Ok(int(7))"),
            (vec![int(7), int(1), int(2)], 1, "Ok(int(7))"),
            (vec![int(7), int(1), int(1)], 2, "Err(Replicas(1))"),
            (vec![int(7), int(1), int(0)], 1, "Err(Replicas(0))"),
            (vec![int(7), int(1)], 1, "Err(Replicas(0))"),
            (vec![int(7), int(1), int(1), disks(1, 1)], 1, "Ok(int(7))"),
            (vec![int(7), int(1), int(1), disks(0, 1)], 1, "Err(Disks(1))"),
            (vec![int(7), int(1), int(2), disks(1, 1)], 2, "Err(Disks(1))"),
            (vec![REFUSED, int(1), int(1)], 1, "Err(Error("),
            (vec![int(7), REFUSED, int(1)], 1, "Err(Error("),
            (vec![int(7), int(1), REFUSED], 1, "Err(Error("),
            (vec![int(7), int(1), int(1), REFUSED], 1, "Err(Error("),
        ] {
            let outcome = format!("{:?}", counted(answers.into_iter().map(result).collect(), needed));
            assert!(outcome.starts_with(shown), "{outcome}, not {shown}");
        }
    }
}
