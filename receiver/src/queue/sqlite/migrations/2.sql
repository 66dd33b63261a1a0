-- Version 2: a lead is written where it came in; its contact's head and its dedupe key are filed later, many
-- at once. A contact's line is a chain from its head on, which makes the index over (sink, contact) needless.

CREATE TABLE line_2 (
    seq INTEGER PRIMARY KEY, sink TEXT NOT NULL, contact TEXT NOT NULL, id TEXT NOT NULL,
    webhook TEXT NOT NULL, accepted_at INTEGER NOT NULL, queued_at INTEGER NOT NULL,
    -- The contact's next lead. Null: there is none, or it is not filed yet.
    next INTEGER,
    -- Which submission it is and until when that is remembered. Null: it needs no filing.
    dedupe TEXT, remembered_until INTEGER,
    body BLOB NOT NULL
) STRICT;
INSERT INTO line_2 SELECT seq, sink, contact, id, webhook, accepted_at, queued_at,
    lead(seq) OVER (PARTITION BY sink, contact ORDER BY seq), NULL, NULL, body FROM line;

-- first and last: the ends of the contact's line.
CREATE TABLE head_2 (
    sink TEXT NOT NULL, contact TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    due INTEGER NOT NULL, queued_at INTEGER NOT NULL, token INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0,
    touched INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (sink, contact)
) STRICT, WITHOUT ROWID;
INSERT INTO head_2 SELECT h.sink, h.contact, min(l.seq), max(l.seq), h.due, h.queued_at, h.token, h.attempts,
    h.unknown, h.touched FROM head h JOIN line l USING (sink, contact) GROUP BY h.sink, h.contact;

DROP TABLE line;
DROP TABLE head;
ALTER TABLE line_2 RENAME TO line;
ALTER TABLE head_2 RENAME TO head;
CREATE INDEX head_due ON head (sink, due);
CREATE INDEX head_touched ON head (sink, queued_at) WHERE touched = 1;

-- Lines up to this seq are filed.
CREATE TABLE filed (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL) STRICT;
INSERT INTO filed SELECT 1, coalesce(max(seq), 0) FROM line;
