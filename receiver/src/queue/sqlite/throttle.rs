//! What limits requests to a CRM: pause, circuit breaker, rolling limit.

use std::time::Duration;

use rusqlite::OptionalExtension;

use super::tx::{Failure, Tx, millis, unsigned};
use crate::queue::{Breaker, CrmHealth, Grant, PauseReason, RateLimit};

/// Grants closer together than this part of the window are kept as one, timed at its last.
const STEPS_PER_WINDOW: i64 = 50;

#[derive(Default)]
struct Throttle {
    paused_until: i64,
    reason: String,
    failures: i64,
    open_until: i64,
    probe_until: i64,
}

fn read(tx: &Tx<'_>, key: &str) -> rusqlite::Result<Throttle> {
    let throttle = tx
        .sql
        .prepare_cached(
            "SELECT paused_until, reason, failures, open_until, probe_until FROM throttle WHERE sink = ?1",
        )?
        .query_row([key], |row| {
            Ok(Throttle {
                paused_until: row.get(0)?,
                reason: row.get(1)?,
                failures: row.get(2)?,
                open_until: row.get(3)?,
                probe_until: row.get(4)?,
            })
        })
        .optional()?;
    Ok(throttle.unwrap_or_default())
}

fn write(tx: &Tx<'_>, key: &str, throttle: &Throttle) -> rusqlite::Result<()> {
    tx.sql
        .prepare_cached(
            "INSERT INTO throttle (sink, paused_until, reason, failures, open_until, probe_until) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET paused_until = ?2, reason = ?3, \
             failures = ?4, open_until = ?5, probe_until = ?6",
        )?
        .execute((
            key,
            throttle.paused_until,
            &throttle.reason,
            throttle.failures,
            throttle.open_until,
            throttle.probe_until,
        ))?;
    Ok(())
}

/// Grants up to `wanted` requests.
pub(super) fn permits(
    tx: &mut Tx<'_>,
    key: &str,
    wanted: u32,
    limit: Option<RateLimit>,
    breaker: Breaker,
) -> Result<Grant, Failure> {
    let mut throttle = read(tx, key)?;
    let failures = u32::try_from(throttle.failures).unwrap_or(u32::MAX);
    let refused = |until: i64, why: PauseReason| Grant {
        granted: 0,
        wait: Duration::from_millis(unsigned(until - tx.now)),
        paused: Some(why),
        failures,
    };
    if throttle.paused_until > tx.now {
        return Ok(refused(
            throttle.paused_until,
            PauseReason::decode(&throttle.reason),
        ));
    }
    let half_open = throttle.open_until != 0;
    if half_open {
        let until = throttle.open_until.max(throttle.probe_until);
        if until > tx.now {
            return Ok(refused(until, PauseReason::circuit_open()));
        }
    }
    let may = if half_open { wanted.min(1) } else { wanted };
    let (granted, wait) = match limit {
        Some(limit) => within_limit(tx, key, may, limit)?,
        None => (may, Duration::ZERO),
    };
    if half_open && granted > 0 {
        // If its holder dies without a report, the next probe may go after this.
        throttle.probe_until = tx.now + millis(breaker.cooldown).max(1);
        write(tx, key, &throttle)?;
        return Ok(Grant {
            granted,
            wait: breaker.cooldown,
            paused: None,
            failures,
        });
    }
    Ok(Grant {
        granted,
        wait,
        paused: None,
        failures,
    })
}

/// Takes up to `wanted` from the rolling window; if fewer, tells when the next becomes free.
fn within_limit(tx: &Tx<'_>, key: &str, wanted: u32, limit: RateLimit) -> rusqlite::Result<(u32, Duration)> {
    let per = millis(limit.per).max(1);
    // Strictly older: both ends are rounded to milliseconds, and the window must not be cut short by one.
    tx.sql
        .prepare_cached("DELETE FROM granted WHERE sink = ?1 AND last < ?2")?
        .execute((key, tx.now - per))?;
    let (used, oldest): (i64, Option<i64>) = tx
        .sql
        .prepare_cached("SELECT coalesce(sum(requests), 0), min(last) FROM granted WHERE sink = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let free = (i64::from(limit.requests) - used).max(0);
    let granted = wanted.min(u32::try_from(free).unwrap_or(u32::MAX));
    if granted > 0 {
        record_grant(tx, key, granted, per / STEPS_PER_WINDOW)?;
    }
    let wait = if granted < wanted {
        oldest.unwrap_or(tx.now) + per + 1 - tx.now
    } else {
        0
    };
    Ok((granted, Duration::from_millis(unsigned(wait))))
}

fn record_grant(tx: &Tx<'_>, key: &str, granted: u32, step: i64) -> rusqlite::Result<()> {
    let joined = tx
        .sql
        .prepare_cached(
            "UPDATE granted SET last = max(last, ?2), requests = requests + ?3 WHERE sink = ?1 AND first = \
             (SELECT max(first) FROM granted WHERE sink = ?1) AND first >= ?4",
        )?
        .execute((key, tx.now, granted, tx.now - step))?;
    if joined == 0 {
        tx.sql
            .prepare_cached("INSERT INTO granted VALUES (?1, ?2, ?2, ?3)")?
            .execute((key, tx.now, granted))?;
    }
    Ok(())
}

/// Counts failures in a row; opens or closes the circuit.
pub(super) fn report(tx: &mut Tx<'_>, key: &str, health: CrmHealth, breaker: Breaker) -> Result<(), Failure> {
    let mut throttle = read(tx, key)?;
    throttle.probe_until = 0;
    match health {
        CrmHealth::Up => {
            throttle.failures = 0;
            throttle.open_until = 0;
        }
        CrmHealth::Down => {
            throttle.failures += 1;
            if breaker.failures > 0 && throttle.failures >= i64::from(breaker.failures) {
                throttle.open_until = tx.now + millis(breaker.cooldown).max(1);
            }
        }
    }
    write(tx, key, &throttle)?;
    Ok(())
}

/// Stops deliveries; the later end wins, or the later word of a person.
pub(super) fn pause(tx: &mut Tx<'_>, key: &str, pause: Duration, why: &PauseReason) -> Result<(), Failure> {
    let mut throttle = read(tx, key)?;
    let until = tx.now + millis(pause);
    let persons = why.is_a_persons() && PauseReason::decode(&throttle.reason).is_a_persons();
    if persons || until > throttle.paused_until {
        throttle.paused_until = until;
        throttle.reason = why.encode();
        write(tx, key, &throttle)?;
    }
    Ok(())
}

/// Lifts a pause and closes the circuit.
pub(super) fn resume(tx: &mut Tx<'_>, key: &str) -> Result<(), Failure> {
    write(tx, key, &Throttle::default())?;
    Ok(())
}

/// Until when nothing is delivered, and why.
pub(super) fn paused(tx: &Tx<'_>, key: &str) -> rusqlite::Result<Option<(u64, PauseReason)>> {
    let throttle = read(tx, key)?;
    Ok(if throttle.paused_until > tx.now {
        Some((
            unsigned(throttle.paused_until),
            PauseReason::decode(&throttle.reason),
        ))
    } else if throttle.open_until > tx.now {
        Some((unsigned(throttle.open_until), PauseReason::circuit_open()))
    } else {
        None
    })
}
