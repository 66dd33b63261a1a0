//! Why a lead did not arrive: the words that receivers write into logs, metrics, dead letters and `/status`, and that the
//! operator reads there.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a failure is about, and so who can end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// The CRM refuses the credentials, or what they may do: correct the Secret or the account's permissions.
    Credentials,
    /// The CRM cannot be reached, or fails: it passes, or the address is wrong.
    Connection,
    /// A limit of the CRM's is used up: it passes.
    Limit,
    /// The account or the sink is not set up as it must be: correct it, and the leads go on.
    Setup,
    /// One lead, or its record: a person decides about it.
    Lead,
    /// The receiver's own attempt: nothing is known of the CRM.
    Attempt,
}

macro_rules! reasons {
    ($($(#[$meaning:meta])+ $name:ident: $class:ident,)+) => {
        /// Why a lead did not arrive. Each is one stable CamelCase word, the variant's name.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum FailureReason {
            $($(#[$meaning])+ $name,)+
            /// A word of another version.
            Other(String),
        }

        impl FailureReason {
            /// All that this version knows.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    Self::Other(word) => word,
                }
            }

            /// What it is about.
            pub fn class(&self) -> FailureClass {
                match self {
                    $(Self::$name => FailureClass::$class,)+
                    Self::Other(_) => FailureClass::Lead,
                }
            }
        }

        impl From<&str> for FailureReason {
            fn from(word: &str) -> Self {
                match word {
                    $(stringify!($name) => Self::$name,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

reasons! {
    /// The CRM refuses the credentials.
    InvalidCredentials: Credentials,
    /// HubSpot's token lacks a scope.
    MissingScopes: Credentials,
    /// The CRM forbids it, to these credentials or for this lead.
    Forbidden: Credentials,

    /// No connection could be made.
    Unreachable: Connection,
    /// No answer came in time.
    Timeout: Connection,
    /// The connection broke before the answer came.
    ConnectionLost: Connection,
    /// The CRM failed (5xx).
    Unavailable: Connection,
    /// A person paused the sink.
    PausedByPerson: Setup,
    /// The sink is suspended (`spec.suspend`).
    Suspended: Setup,
    /// The sink does not say how records are deleted (`rest.delete`).
    DeleteMissing: Setup,
    /// The sink does not say how records are read (`rest.read`).
    ReadMissing: Setup,
    /// What the ledger has is no id of a record of this CRM.
    NoRecordId: Lead,
    /// Too many calls in a row failed; the next is tried after a while.
    CircuitOpen: Connection,
    /// The address answers with a redirect.
    Redirected: Connection,
    /// The CRM has no such object or path of one.
    UnknownObject: Connection,

    /// The CRM's request limit is used up.
    RateLimited: Limit,
    /// The requests of a day are used up, or nearly.
    DailyLimit: Limit,
    /// The organisation's data storage is full.
    StorageLimit: Limit,
    /// The CRM asked to try again later.
    TryLater: Limit,
    /// Another transaction holds the record.
    Locked: Limit,

    /// Salesforce's user lacks a permission.
    MissingPermission: Setup,
    /// Salesforce's API is not open to the user.
    ApiDisabled: Setup,
    /// Salesforce does not know the sink's API version.
    UnknownApiVersion: Setup,
    /// Salesforce refuses the query by which records are found.
    QueryRefused: Setup,
    /// The CRM has nothing at the path of a call.
    UnknownPath: Setup,
    /// Something between Leadgate and the CRM answered.
    ForeignAnswer: Setup,
    /// The CRM refuses the account or the call, whatever the lead: an unpaid plan, a limit of it, a method or format that it
    /// does not take.
    CallRefused: Setup,
    /// The name of the CRM's host resolves to this machine or its network segment.
    LocalAddress: Setup,
    /// The address is no URL.
    InvalidRequest: Setup,
    /// Calls with several leads are refused; they go one by one.
    BatchRefused: Setup,
    /// The sign-in failed for now.
    SignInUnavailable: Setup,
    /// The sink's properties are not those of the CRM.
    PropertyProblem: Setup,

    /// The CRM does not take the lead as it is.
    InvalidLead: Lead,
    /// The e-mail address is none for the CRM.
    InvalidEmail: Lead,
    /// A value that the CRM does not take.
    InvalidProperty: Lead,
    /// A value that is not among the property's options.
    InvalidOption: Lead,
    /// A value that is too long.
    TooLong: Lead,
    /// The same, where the CRM does not say of which property.
    ValueTooLong: Lead,
    /// The CRM has no such property.
    UnknownProperty: Lead,
    /// The CRM sets the property itself.
    ReadOnlyProperty: Lead,
    /// The lead has nothing for a property that the CRM demands.
    RequiredPropertyMissing: Lead,
    /// The same of a field of Salesforce.
    RequiredFieldMissing: Lead,
    /// A validation rule of the organisation refuses the lead.
    ValidationRule: Lead,
    /// A trigger or flow of the organisation failed.
    AutomationFailed: Lead,
    /// The CRM refused the lead for another reason.
    Refused: Lead,
    /// The record may not be edited.
    RecordReadOnly: Lead,
    /// There is no such record.
    RecordNotFound: Lead,
    /// A value refers to a record that is not there.
    InvalidReference: Lead,
    /// The record was deleted; or the lookup shows one that the update does not find.
    RecordGone: Lead,
    /// Another record has one of the lead's values.
    RecordConflict: Lead,
    /// A new record's id is not in the CRM's answer.
    RecordIdMissing: Lead,
    /// Another record has a value that must be unique.
    UniqueValueTaken: Lead,
    /// A record of somebody else has the lead's external id.
    ExternalIdTaken: Lead,
    /// Another call has just created the record.
    CreatedMeanwhile: Lead,
    /// The Salesforce lead was converted.
    ConvertedLead: Lead,
    /// A contact has the lead's e-mail address or phone number.
    ContactExists: Lead,
    /// A duplicate rule objects.
    DuplicateRule: Lead,
    /// Several records are the lead's.
    SeveralRecords: Lead,
    /// A record has the lead's phone number but another e-mail address.
    PartialMatch: Lead,
    /// A new record was to be made, and the CRM's answer was lost.
    AnswerLost: Lead,
    /// The same at Salesforce, of a lead that has nothing to be found by.
    LostAnswer: Lead,
    /// The CRM answered in a way that the sink's expressions do not expect.
    AnswerNotUnderstood: Lead,
    /// The CRM's answer cannot be read.
    UnreadableAnswer: Lead,
    /// Waiting until the CRM's search would show a record.
    AwaitingVisibility: Lead,
    /// Another record of the call failed.
    RolledBack: Lead,
    /// An expression of the sink failed.
    MappingFailed: Lead,
    /// The sink gives no value for the lead.
    NothingToSend: Lead,
    /// The stored lead cannot be read.
    Unreadable: Lead,
    /// A newer lead of the contact was delivered before it.
    OvertakenByNewer: Lead,
    /// The lead became too old.
    RetriesExhausted: Lead,

    /// The sender's API refuses the token.
    HydrateCredentials: Setup,
    /// The sender's API asks for fewer calls.
    HydrateThrottled: Limit,
    /// The sender's API failed.
    HydrateUnavailable: Limit,
    /// The sender's API did not answer.
    HydrateUnreachable: Limit,
    /// The sender's API takes no more calls now.
    HydrateWaits: Limit,
    /// The lead is not there, or the token may not see it.
    HydrateUnclear: Lead,
    /// The sender does not give the lead.
    HydrateRefused: Lead,
    /// The lead cannot be fetched.
    HydrateFailed: Lead,

    /// A client gave no outcome.
    NoOutcome: Attempt,
    /// Another worker has the lead.
    ClaimLost: Attempt,
    /// Attempts ended without an outcome, again and again.
    DeliveryCrashed: Attempt,
}

impl FromStr for FailureReason {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(word.into())
    }
}

impl From<String> for FailureReason {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}

impl From<FailureReason> for String {
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::Other(word) => word,
            known => known.as_str().to_owned(),
        }
    }
}

impl PartialEq<str> for FailureReason {
    fn eq(&self, word: &str) -> bool {
        self.as_str() == word
    }
}

impl PartialEq<&str> for FailureReason {
    fn eq(&self, word: &&str) -> bool {
        self.as_str() == *word
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_comes_back_as_it_was_written_known_or_not() {
        for reason in FailureReason::ALL {
            assert_eq!(FailureReason::from(reason.as_str()), *reason);
        }
        let later = FailureReason::from("OfALaterVersion");
        assert_eq!(later.as_str(), "OfALaterVersion");
        assert_eq!(later.class(), FailureClass::Lead);
    }
}
