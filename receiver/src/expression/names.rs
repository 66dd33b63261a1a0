//! What an expression may name, place by place.

use super::kind::Kind;
use crate::lead::Field;

/// Headers of a request that no expression sees: what they carry must not get into leads.
pub const CREDENTIALS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The names that an expression knows.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// The variables, and what is known of what they hold.
    pub(super) variables: &'static [(&'static str, Members)],
    /// Whether `clear()` means something there.
    pub(super) clears: bool,
    /// Whether it is a rule of the resources' schema, which knows quantities.
    pub(super) is_schema: bool,
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Members {
    /// Anything: only a lead tells.
    Free,
    /// A single value of this kind, or null.
    Single(Kind),
    /// Texts of any names.
    Texts,
    /// Texts under names of headers, in lower case; those of these names are never there.
    Headers(&'static [&'static str]),
    /// The fields of a lead, and `custom`.
    Lead,
    /// Values of these names and this kind.
    Only(&'static [&'static str], Kind),
}

impl Members {
    /// What the variable itself is.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Free => Kind::Any,
            Self::Single(kind) => kind,
            Self::Texts | Self::Headers(_) | Self::Lead | Self::Only(..) => Kind::Map,
        }
    }

    /// What its members are.
    pub(super) fn of_members(self) -> Kind {
        match self {
            Self::Free | Self::Single(_) => Kind::Any,
            Self::Texts | Self::Headers(_) | Self::Lead => Kind::Text,
            Self::Only(_, kind) => kind,
        }
    }

    /// The names of a closed set.
    pub(super) fn names(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Free | Self::Single(_) | Self::Texts | Self::Headers(_) => None,
            Self::Only(names, _) => Some(names.to_vec()),
            Self::Lead => Some(
                Field::ALL
                    .iter()
                    .map(|field| field.name())
                    .chain(["custom"])
                    .collect(),
            ),
        }
    }
}

const PAYLOAD: (&str, Members) = ("payload", Members::Free);
const ITEM: (&str, Members) = ("item", Members::Free);
const HEADERS: (&str, Members) = ("headers", Members::Headers(&CREDENTIALS));
const QUERY: (&str, Members) = ("query", Members::Texts);
const LEAD: (&str, Members) = ("lead", Members::Lead);
const WEBHOOK: (&str, Members) = ("webhook", Members::Only(&["name", "namespace"], Kind::Text));
/// Of an answer.
const STATUS: (&str, Members) = ("status", Members::Single(Kind::Int));
const ANSWER_HEADERS: (&str, Members) = ("headers", Members::Headers(&[]));
/// Which call was answered.
const CALL: (&str, Members) = ("call", Members::Single(Kind::Text));
/// Of a record.
const ID: (&str, Members) = ("id", Members::Single(Kind::Text));

const fn names(variables: &'static [(&'static str, Members)]) -> Names {
    Names {
        variables,
        clears: false,
        is_schema: false,
    }
}

impl Names {
    /// `payload.lead.*`, `payload.accept`, `payload.items`, `idempotency.key`, `hydrate.path` of a LeadWebhook.
    pub const REQUEST: Self = names(&[PAYLOAD, ITEM, HEADERS, QUERY, WEBHOOK]);
    /// `payload.rules[]` and `sinks[].when`, where the lead is complete.
    pub const ACCEPTED: Self = names(&[LEAD, PAYLOAD, ITEM, HEADERS, QUERY, WEBHOOK]);
    /// `payload.hydrate.lead.*`: `payload` is the answer, `item` the notification.
    pub const HYDRATED: Self = names(&[PAYLOAD, ITEM]);
    /// `properties` of a CrmSink.
    pub const PROPERTIES: Self = Self {
        variables: &[LEAD, PAYLOAD, WEBHOOK],
        clears: true,
        is_schema: false,
    };
    /// An identifier that a CrmSink makes of a lead.
    pub const DELIVERY: Self = names(&[LEAD, PAYLOAD, WEBHOOK]);
    /// Paths and bodies of `rest` calls.
    pub const CALL: Self = names(&[LEAD, PAYLOAD, WEBHOOK, ("properties", Members::Free), ID]);
    /// `rest.delete`, where nothing is known of a person any more.
    pub const RECORD_ID: Self = names(&[ID]);
    /// `rest.answers.*`, and ids in answers.
    pub const ANSWER: Self = names(&[STATUS, ANSWER_HEADERS, ("body", Members::Free), CALL]);
    /// `rest.lookup.records`.
    pub const FOUND: Self = names(&[("body", Members::Free), STATUS, ANSWER_HEADERS, CALL, LEAD]);
    /// `rest.lookup.match` and `rest.lookup.id`: one record of the answer beside the lead.
    pub const RECORD: Self = names(&[
        ("record", Members::Free),
        LEAD,
        PAYLOAD,
        WEBHOOK,
        STATUS,
        ANSWER_HEADERS,
        ("body", Members::Free),
        CALL,
    ]);
    /// `notify.body`.
    pub const NOTICE: Self = names(&[
        ("message", Members::Single(Kind::Text)),
        ("counts", Members::Only(&crate::notice::COUNTS, Kind::Int)),
        (
            "object",
            Members::Only(&["kind", "namespace", "name"], Kind::Text),
        ),
        ("link", Members::Single(Kind::Text)),
    ]);
    /// Rules of the resources' schema.
    pub const SCHEMA: Self = Self {
        is_schema: true,
        ..names(&[("self", Members::Free)])
    };
    /// All that any place knows, for tests of expressions themselves.
    pub const ALL: Self = Self {
        variables: &[
            LEAD,
            PAYLOAD,
            ITEM,
            HEADERS,
            QUERY,
            WEBHOOK,
            ("properties", Members::Free),
            ID,
            STATUS,
            ("body", Members::Free),
            CALL,
            ("record", Members::Free),
        ],
        clears: true,
        is_schema: false,
    };
}
