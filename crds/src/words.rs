//! Sentences that receivers answer people with, in one place: whoever shows them in another language knows them by their text.

/// Why nothing can be done with a lead.
pub const IN_FLIGHT: &str = "the lead is being delivered or was delivered; check again in a few seconds";

/// Why a lead is not removed.
pub const BEING_DELIVERED: &str = "it is being delivered, or is not there any more";

/// Why a sink does not get a lead again.
pub const KNOWN_THERE: &str =
    "the sink already has the lead, or has delivered it; replay it there to deliver it again";

/// Why a sink does not get a lead after a newer one.
pub const OVERTAKEN_THERE: &str = "the sink has delivered a newer lead of this contact, and this one would overwrite its values; \
                                   discard it, or send it with force=true";

/// Why an overtaken lead is not replayed.
pub const OVERTAKEN: &str = "a newer lead of this contact was delivered meanwhile, and this one would overwrite its values; \
                             discard it, or replay it with force=true";

/// Why there is nothing to decide about a lead.
pub const DECIDED: &str = "record and create decide about a held lead, and this one is not held: it was decided already, or its record \
                           was found";

/// Why nothing is done with a lead that cannot be read.
pub const NO_KEY: &str =
    "the key that sealed it is missing (KeyMissing): add it to the encryption keys again";

/// Why a lead is not mapped again.
pub const NO_WEBHOOK: &str = "its webhook no longer exists";

/// Why an unrouted lead stays.
pub const NO_SINK: &str = "no sink receives it yet (sinks[].when); POST …/move?to=SINK moves it to a sink";

/// Why a rejected request stays.
pub const STILL_INVALID: &str = "it is still not valid";

/// What becomes of an imported lead that is older than a newer one of its person.
pub const OLDER: &str = "a newer lead of this person was delivered or waits: this one is kept as dead and overwrites nothing, unless it \
                         is replayed with force";

/// Why a sink is paused.
pub const PAUSED: &str = "a person paused it; resume it when deliveries may go on";

/// All of them.
pub const ALL: [&str; 12] = [
    IN_FLIGHT,
    BEING_DELIVERED,
    KNOWN_THERE,
    OVERTAKEN_THERE,
    OVERTAKEN,
    DECIDED,
    NO_KEY,
    NO_WEBHOOK,
    NO_SINK,
    STILL_INVALID,
    OLDER,
    PAUSED,
];
