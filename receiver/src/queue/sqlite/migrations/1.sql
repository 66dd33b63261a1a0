-- Version 1. Times are milliseconds since the Unix epoch.

-- One submission, one lead: which id holds a key, and until when.
CREATE TABLE dedupe (
    key TEXT PRIMARY KEY, id TEXT NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX dedupe_expiry ON dedupe (expires_at);

-- What waits: a row per lead and sink; a contact's line is its rows by seq.
CREATE TABLE line (
    seq INTEGER PRIMARY KEY, sink TEXT NOT NULL, contact TEXT NOT NULL, id TEXT NOT NULL,
    webhook TEXT NOT NULL, accepted_at INTEGER NOT NULL, queued_at INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE INDEX line_contact ON line (sink, contact);

-- A row per contact that waits: when its first lead is due (while claimed: when the lease ends), and how
-- often that lead was tried. token 0: not claimed. touched 0: never claimed, then due equals queued_at.
CREATE TABLE head (
    sink TEXT NOT NULL, contact TEXT NOT NULL, due INTEGER NOT NULL, queued_at INTEGER NOT NULL,
    token INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0, touched INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sink, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX head_due ON head (sink, due);
-- With head_due it tells the oldest lead without a scan, and costs nothing on the way in.
CREATE INDEX head_touched ON head (sink, queued_at) WHERE touched = 1;

-- What a person must look at. sink and contact are '' for rejected requests.
CREATE TABLE parked (
    kind TEXT NOT NULL, parked_at INTEGER NOT NULL, id TEXT NOT NULL, sink TEXT NOT NULL,
    contact TEXT NOT NULL, webhook TEXT NOT NULL, accepted_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL,
    answer TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX parked_id ON parked (id, kind, sink);
CREATE INDEX parked_age ON parked (kind, parked_at, id, sink);
CREATE INDEX parked_expiry ON parked (expires_at);
CREATE INDEX parked_contact ON parked (contact) WHERE contact <> '';

-- Which CRM record a contact went to.
CREATE TABLE record (
    sink TEXT NOT NULL, contact TEXT NOT NULL, record TEXT NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (sink, contact)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_expiry ON record (expires_at);
CREATE INDEX record_contact ON record (contact);

-- Each sink's fencing counter, pause and circuit.
CREATE TABLE gate (
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
CREATE TABLE webhook_count (
    webhook TEXT PRIMARY KEY, accepted INTEGER NOT NULL, duplicates INTEGER NOT NULL,
    rejected INTEGER NOT NULL, last_accepted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Written by the check of the store.
CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;
