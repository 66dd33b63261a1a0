//! Which leads are meant, as options.

use std::fmt;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{SignedDuration, Timestamp};
use leadgate_crds::api::{LeadFilter, Set};
use leadgate_crds::time::timestamp;

const SETS: [(&str, Set); 6] = [
    ("pending", Set::Pending),
    ("held", Set::Held),
    ("dead", Set::Dead),
    ("unrouted", Set::Unrouted),
    ("rejected", Set::Rejected),
    ("delivered", Set::Delivered),
];

/// The word of a set.
pub(crate) fn word(set: Set) -> &'static str {
    SETS.iter()
        .find(|(_, known)| *known == set)
        .map_or("", |(word, _)| word)
}

/// Reads `--set`.
pub(crate) fn sets() -> impl TypedValueParser<Value = Set> {
    PossibleValuesParser::new(SETS.map(|(word, _)| word)).try_map(|word| {
        let known = SETS.iter().find(|(known, _)| *known == word);
        known.map(|(_, set)| *set).ok_or("unknown set")
    })
}

/// Options that select leads. Every one that is set must fit.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FilterArgs {
    /// Set in which the leads are now; delivered: those whose payloads are kept.
    #[arg(long, value_parser = sets())]
    pub(crate) set: Option<Set>,
    /// E-mail address of the person.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Phone number of the person, with its country code.
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// LeadWebhook: NAME, or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    webhook: Option<String>,
    /// CrmSink: NAME, or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    pub(crate) sink: Option<String>,
    /// Reason, for example InvalidEmail.
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,
    /// The sender's own id of the submission.
    #[arg(long, value_name = "ID")]
    submission: Option<String>,
    /// Id of the CRM record.
    #[arg(long = "crm-record", value_name = "ID")]
    record: Option<String>,
    /// Received (of a lead of the past: submitted) at this time or later: 2026-11-01, 2026-11-01T08:00:00Z, or 2h for two hours ago (s, m, h, d).
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Received before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

impl FilterArgs {
    /// What the API takes, without the set.
    pub(crate) fn filter(&self) -> LeadFilter {
        LeadFilter {
            email: self.email.clone(),
            phone: self.phone.clone(),
            submission: self.submission.clone(),
            record: self.record.clone(),
            webhook: self.webhook.clone(),
            sink: self.sink.clone(),
            reason: self.reason.clone(),
            since: self.since,
            until: self.until,
            ..LeadFilter::default()
        }
    }

    /// Whether nothing is selected: then every lead is meant, which must not happen by mistake.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_none() && self.filter() == LeadFilter::default()
    }
}

/// Why a time cannot be read.
#[derive(Debug)]
pub(crate) struct NoTime;

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write 2026-11-01, 2026-11-01T08:00:00Z, or how long ago: 30s, 15m, 2h, 7d")
    }
}

impl std::error::Error for NoTime {}

/// Reads a time, or how long ago it was.
pub(crate) fn time(text: &str) -> Result<Timestamp, NoTime> {
    let ago = duration(text).and_then(|ago| Timestamp::now().checked_sub(ago).ok());
    ago.or_else(|| timestamp(text.trim())).ok_or(NoTime)
}

/// Reads `90s`, `15m`, `2h` or `7d`.
pub(crate) fn duration(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().last()?;
    let number: i64 = text
        .strip_suffix(unit)?
        .parse()
        .ok()
        .filter(|number| *number >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(SignedDuration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let read = |text| time(text).map(|time| time.to_string());
        assert_eq!(read("2026-11-01").unwrap(), "2026-11-01T00:00:00Z");
        assert_eq!(read("2026-11-01T08:00:00+02:00").unwrap(), "2026-11-01T06:00:00Z");
        assert!(read("yesterday").is_err());
        assert_eq!(duration("2h").unwrap().as_secs(), 7_200);
        for text in ["", "h", "-2h", "2y", "99999999999999999d"] {
            assert!(duration(text).is_none(), "{text}");
        }
        assert!(time("2h").unwrap() < Timestamp::now());
        assert!(time("9999999999999d").is_err());
    }
}
