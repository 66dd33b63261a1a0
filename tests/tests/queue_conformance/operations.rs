//! What may happen to a queue, and random sequences of it.

use bytes::Bytes;
use leadgate_receiver::queue::*;
use proptest::prelude::*;

use crate::rig::*;

#[derive(Debug, Clone)]
pub enum Operation {
    Accept(Vec<(u8, u8, u8, u8)>),
    AcceptAgain(prop::sample::Index),
    Claim {
        sink: u8,
        max: usize,
        comes_back: bool,
    },
    Settle {
        which: prop::sample::Index,
        how: u8,
    },
    Renew {
        which: prop::sample::Index,
        comes_back: bool,
    },
    Replay {
        which: prop::sample::Index,
        other_set: bool,
    },
    Discard {
        which: prop::sample::Index,
    },
    DiscardWaiting {
        which: prop::sample::Index,
    },
    Expedite {
        which: prop::sample::Index,
    },
    Move {
        which: prop::sample::Index,
    },
    Route {
        which: prop::sample::Index,
    },
    Permits {
        sink: u8,
        want: u32,
    },
    Report {
        sink: u8,
        up: bool,
    },
    Pause(u8),
    Resume(u8),
    Prune,
    Crash,
}

fn operation() -> impl Strategy<Value = Operation> {
    let lead = (0..3_u8, 0..24_u8, 0..4_u8, 0..2_u8);
    let which = any::<prop::sample::Index>;
    prop_oneof![
        8 => prop::collection::vec(lead, 1..5).prop_map(Operation::Accept),
        1 => which().prop_map(Operation::AcceptAgain),
        8 => (0..2_u8, 0..4_usize, prop::bool::weighted(0.2))
            .prop_map(|(sink, max, comes_back)| Operation::Claim { sink, max, comes_back }),
        10 => (which(), 0..8_u8).prop_map(|(which, how)| Operation::Settle { which, how }),
        1 => (which(), any::<bool>()).prop_map(|(which, comes_back)| Operation::Renew { which, comes_back }),
        4 => (which(), prop::bool::weighted(0.1))
            .prop_map(|(which, other_set)| Operation::Replay { which, other_set }),
        1 => which().prop_map(|which| Operation::Discard { which }),
        1 => which().prop_map(|which| Operation::DiscardWaiting { which }),
        1 => which().prop_map(|which| Operation::Expedite { which }),
        1 => which().prop_map(|which| Operation::Move { which }),
        1 => which().prop_map(|which| Operation::Route { which }),
        2 => (0..2_u8, 1..5_u32).prop_map(|(sink, want)| Operation::Permits { sink, want }),
        1 => (0..2_u8, any::<bool>()).prop_map(|(sink, up)| Operation::Report { sink, up }),
        1 => (0..2_u8).prop_map(Operation::Pause),
        1 => (0..2_u8).prop_map(Operation::Resume),
        1 => Just(Operation::Prune),
        1 => Just(Operation::Crash),
    ]
}

pub fn sink(number: u8) -> SinkId {
    if number == 0 { crm() } else { other_crm() }
}

pub fn person(number: u8) -> Contact {
    Contact::new(format!("person {number}"))
}

pub fn webhook(number: u8) -> WebhookId {
    WebhookId::new(format!("shop/form-{number}"))
}

pub fn new_lead((who, key, sinks, from): (u8, u8, u8, u8)) -> NewLead {
    let sinks = match sinks {
        0 => vec![crm()],
        1 => vec![other_crm()],
        2 => Vec::new(),
        _ => vec![crm(), other_crm()],
    };
    NewLead {
        webhook: webhook(from),
        contact: person(who),
        content: content(who % 2),
        sinks: sinks.into(),
        people: Vec::new(),
        original: None,
        body: Bytes::from(format!("{who}:{key}")),
        ..lead("", &format!("key {key}"))
    }
}

pub fn sequences() -> impl Strategy<Value = Vec<Operation>> {
    prop::collection::vec(operation(), 1..80)
}
