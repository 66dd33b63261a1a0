//! What an expression may name, place by place.

use crate::lead::Field;

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
    /// One text or number.
    Single,
    /// The fields of a lead, and `custom`.
    Lead,
    /// Texts of these names.
    Only(&'static [&'static str]),
}

impl Members {
    /// The names of a closed set.
    pub(super) fn names(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Free | Self::Single => None,
            Self::Only(names) => Some(names.to_vec()),
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
const HEADERS: (&str, Members) = ("headers", Members::Free);
const QUERY: (&str, Members) = ("query", Members::Free);
const LEAD: (&str, Members) = ("lead", Members::Lead);
const WEBHOOK: (&str, Members) = ("webhook", Members::Only(&["name", "namespace"]));

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
    pub const CALL: Self = names(&[
        LEAD,
        PAYLOAD,
        WEBHOOK,
        ("properties", Members::Free),
        ("id", Members::Single),
    ]);
    /// `rest.delete`, where nothing is known of a person any more.
    pub const RECORD_ID: Self = names(&[("id", Members::Single)]);
    /// `rest.answers.*`, and ids in answers.
    pub const ANSWER: Self = names(&[
        ("status", Members::Single),
        ("headers", Members::Free),
        ("body", Members::Free),
        ("call", Members::Single),
    ]);
    /// `rest.lookup.records`.
    pub const FOUND: Self = names(&[
        ("body", Members::Free),
        ("status", Members::Single),
        ("headers", Members::Free),
        ("call", Members::Single),
        LEAD,
    ]);
    /// `rest.lookup.match` and `rest.lookup.id`: one record of the answer beside the lead.
    pub const RECORD: Self = names(&[
        ("record", Members::Free),
        LEAD,
        PAYLOAD,
        WEBHOOK,
        ("status", Members::Single),
        ("headers", Members::Free),
        ("body", Members::Free),
        ("call", Members::Single),
    ]);
    /// `notify.body`.
    pub const NOTICE: Self = names(&[
        ("message", Members::Single),
        ("counts", Members::Only(&crate::notice::COUNTS)),
        ("object", Members::Only(&["kind", "namespace", "name"])),
        ("link", Members::Single),
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
            ("id", Members::Single),
            ("status", Members::Single),
            ("body", Members::Free),
            ("call", Members::Single),
            ("record", Members::Free),
        ],
        clears: true,
        is_schema: false,
    };
}
