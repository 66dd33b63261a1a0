//! Conditions as kstatus and people expect them.

use jiff::Timestamp;
use leadgate_crds::common::{Condition, Time};

use crate::reasons::Reason;

/// The longest message that is written.
const MAX_MESSAGE: usize = 1024;

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
}

impl Truth {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A reason as the API server takes it: one of ours, or a word that came from elsewhere. A literal is neither: it would be
/// missing in the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(String);

impl From<Reason> for Word {
    fn from(reason: Reason) -> Self {
        Self(reason.as_str().to_owned())
    }
}

impl From<&String> for Word {
    fn from(word: &String) -> Self {
        Self(camel_case(word))
    }
}

/// One statement: truth, reason, message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionState {
    /// Whether it holds.
    pub truth: Truth,
    /// Why, in one stable CamelCase word.
    pub reason: String,
    /// The same in words, with the remedy where a person has to act.
    pub message: String,
}

impl ConditionState {
    /// It holds.
    pub fn yes(reason: impl Into<Word>, message: impl Into<String>) -> Self {
        Self::new(Truth::True, reason, message)
    }

    /// It does not.
    pub fn no(reason: impl Into<Word>, message: impl Into<String>) -> Self {
        Self::new(Truth::False, reason, message)
    }

    /// Nobody knows yet.
    pub fn unknown(reason: impl Into<Word>, message: impl Into<String>) -> Self {
        Self::new(Truth::Unknown, reason, message)
    }

    fn new(truth: Truth, reason: impl Into<Word>, message: impl Into<String>) -> Self {
        let Word(reason) = reason.into();
        Self {
            truth,
            reason,
            message: message.into(),
        }
    }

    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.truth == Truth::True
    }

    /// Whether it is known not to hold.
    pub fn fails(&self) -> bool {
        self.truth == Truth::False
    }

    /// What an earlier condition said.
    pub fn of(condition: &Condition) -> Self {
        let truth = match condition.status.as_str() {
            "True" => Truth::True,
            "False" => Truth::False,
            _ => Truth::Unknown,
        };
        Self::new(truth, &condition.reason, condition.message.clone())
    }
}

/// What the API server demands of a reason; anything else would make it refuse the whole status.
fn camel_case(reason: &str) -> String {
    let kept: String = reason
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(128)
        .collect();
    if kept.starts_with(|c: char| c.is_ascii_alphabetic()) {
        kept
    } else {
        "Unknown".to_owned()
    }
}

/// Named states -> conditions. `lastTransitionTime` is kept unless the truth changes.
pub(crate) fn conditions(
    states: Vec<(&str, ConditionState)>,
    previous: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    states
        .into_iter()
        .map(|(name, statement)| {
            let before = find(previous, name).filter(|c| c.status == statement.truth.as_str());
            Condition {
                type_: name.to_owned(),
                status: statement.truth.as_str().to_owned(),
                reason: statement.reason,
                message: shorten(statement.message),
                observed_generation: Some(generation),
                last_transition_time: before
                    .map_or_else(|| Time(seconds(now)), |c| c.last_transition_time.clone()),
            }
        })
        .collect()
}

/// What `Reconciling` says of a resource that a person has paused.
pub(crate) fn paused() -> ConditionState {
    ConditionState::no(
        Reason::Paused,
        format!(
            "reconciliation is paused: changes are not applied until the annotation {} is removed",
            crate::names::PAUSED
        ),
    )
}

/// A condition by its type.
pub(crate) fn find<'a>(conditions: &'a [Condition], name: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == name)
}

/// Kubernetes writes times without fractions; with them, what was read back would differ from what was written.
pub(crate) fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn shorten(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        let mut end = MAX_MESSAGE - 3;
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transition_times_move_with_the_truth_only() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = conditions(
            vec![("Ready", ConditionState::no(Reason::Starting, "a"))],
            &[],
            1,
            at(10),
        );
        let same = conditions(
            vec![("Ready", ConditionState::no(Reason::Unsafe, "b"))],
            &first,
            2,
            at(20),
        );
        assert_eq!(same[0].last_transition_time, Time(at(10)));
        assert_eq!(
            (same[0].reason.as_str(), same[0].observed_generation),
            ("Unsafe", Some(2))
        );
        let flipped = conditions(
            vec![("Ready", ConditionState::yes(Reason::Ready, "c"))],
            &same,
            2,
            at(30),
        );
        assert_eq!(flipped[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn reasons_and_messages_are_what_the_api_server_takes() {
        let of_pod = |word: &str| ConditionState::no(&word.to_owned(), "").reason;
        assert_eq!(of_pod("Err: image pull!"), "Errimagepull");
        assert_eq!(of_pod(""), "Unknown");
        let long = conditions(
            vec![("Ready", ConditionState::no(Reason::Starting, "ä".repeat(900)))],
            &[],
            1,
            Timestamp::UNIX_EPOCH,
        );
        assert!(long[0].message.len() <= MAX_MESSAGE && long[0].message.ends_with('…'));
    }
}
