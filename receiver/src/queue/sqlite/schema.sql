-- Times are milliseconds since the Unix epoch.

-- One submission, one lead: which id holds a key, what that lead says, and until when.
CREATE TABLE dedupe (
    key TEXT PRIMARY KEY, id TEXT NOT NULL, content BLOB NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What waits: a row per lead and sink, written where it came in. A contact's head and the dedupe key are indexed later,
-- many at once.
CREATE TABLE pending (
    seq INTEGER PRIMARY KEY, sink TEXT NOT NULL, contact TEXT NOT NULL, id TEXT NOT NULL,
    webhook TEXT NOT NULL, accepted_at INTEGER NOT NULL, queued_at INTEGER NOT NULL,
    -- When the newest lead of the contact that this sink has delivered was accepted; 0: not known to be of interest.
    newest INTEGER NOT NULL,
    -- The contact's next lead. Null: there is none, or it is not indexed yet.
    next INTEGER,
    -- Which submission it is, what it says, and until when that is remembered. Null: it is not indexed.
    dedupe TEXT, content BLOB, remembered_until INTEGER,
    body BLOB NOT NULL
) STRICT;

-- A row per contact that waits: the ends of its line, when its first lead is due (while claimed: when the lease ends),
-- how often that lead was tried, whether the CRM may have it all the same, how many of these claims in a row had no
-- outcome, and why it was not delivered.
-- token 0: not claimed. touched 0: never claimed, then due equals queued_at.
CREATE TABLE head (
    sink TEXT NOT NULL, contact TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    due INTEGER NOT NULL, queued_at INTEGER NOT NULL, token INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, in_doubt_since INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,
    touched INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (sink, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX head_due ON head (sink, due);
-- With head_due it tells the oldest lead without a scan, and costs nothing on the way in.
CREATE INDEX head_touched ON head (sink, queued_at) WHERE touched = 1;

-- Rows of `pending` up to this seq are indexed.
CREATE TABLE indexed (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO indexed VALUES (1, 0);

-- What became of each request: outcome, time, reason, sinks and people as fields, then those of each event.
CREATE TABLE ledger (
    webhook TEXT NOT NULL, id TEXT NOT NULL, row BLOB NOT NULL, PRIMARY KEY (webhook, id)
) STRICT, WITHOUT ROWID;

-- Whose leads are refused: NAMESPACE/HASH of an address or number; no namespace: in all.
CREATE TABLE suppressed (person TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Jobs over many leads; what they are is not the queue's business.
CREATE TABLE job (id TEXT PRIMARY KEY, version INTEGER NOT NULL, body BLOB NOT NULL) STRICT, WITHOUT ROWID;

-- What a person must look at. sink is '' for unrouted leads, sink and contact are for rejected requests.
CREATE TABLE dead_letters (
    kind TEXT NOT NULL, dead_lettered_at INTEGER NOT NULL, id TEXT NOT NULL, sink TEXT NOT NULL,
    contact TEXT NOT NULL, webhook TEXT NOT NULL, accepted_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, attempts INTEGER NOT NULL, newest INTEGER NOT NULL, reason TEXT NOT NULL,
    message TEXT NOT NULL, answer TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX dead_letters_id ON dead_letters (id, kind, sink);
CREATE INDEX dead_letters_age ON dead_letters (kind, dead_lettered_at, id, sink);
CREATE INDEX dead_letters_expiry ON dead_letters (expires_at);
CREATE INDEX dead_letters_rejected ON dead_letters (webhook, dead_lettered_at) WHERE kind = 'rejected';
CREATE INDEX dead_letters_contact ON dead_letters (contact) WHERE contact <> '';

-- What a sink has delivered of a contact of late: to which CRM record ('': not known), and when the newest of these leads was
-- accepted (0: a person chose the record before there was one).
CREATE TABLE record (
    sink TEXT NOT NULL, contact TEXT NOT NULL, record TEXT NOT NULL, expires_at INTEGER NOT NULL,
    newest INTEGER NOT NULL, PRIMARY KEY (sink, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_expiry ON record (expires_at);

-- Each sink's fencing counter, pause and circuit.
CREATE TABLE throttle (
    sink TEXT PRIMARY KEY, token INTEGER NOT NULL DEFAULT 0,
    paused_until INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
    failures INTEGER NOT NULL DEFAULT 0, open_until INTEGER NOT NULL DEFAULT 0,
    probe_until INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Requests granted of late, close ones together.
CREATE TABLE granted (
    sink TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, requests INTEGER NOT NULL,
    PRIMARY KEY (sink, first)
) STRICT, WITHOUT ROWID;

-- pending is what remains: queued - delivered - discarded - held - dead.
CREATE TABLE sink_count (
    sink TEXT NOT NULL, webhook TEXT NOT NULL, queued INTEGER NOT NULL, delivered INTEGER NOT NULL,
    discarded INTEGER NOT NULL, held INTEGER NOT NULL, dead INTEGER NOT NULL,
    last_delivered_at INTEGER NOT NULL, PRIMARY KEY (sink, webhook)
) STRICT, WITHOUT ROWID;
-- unrouted and discarded are of leads that no sink takes; rejected_bytes are those of the copies that are kept.
CREATE TABLE webhook_count (
    webhook TEXT PRIMARY KEY, accepted INTEGER NOT NULL, duplicates INTEGER NOT NULL, key_conflicts INTEGER NOT NULL,
    rejected INTEGER NOT NULL, rejected_bytes INTEGER NOT NULL, rejected_dropped INTEGER NOT NULL, unrouted INTEGER NOT NULL, discarded INTEGER NOT NULL, last_accepted_at INTEGER NOT NULL,
    ledger_bytes INTEGER NOT NULL, ledger_dropped INTEGER NOT NULL, suppressed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What tells the key of the ledger's people from others.
CREATE TABLE ledger_key (id INTEGER PRIMARY KEY CHECK (id = 1), check_value TEXT NOT NULL) STRICT;

-- Written by the check of the store.
CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;
