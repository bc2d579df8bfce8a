-- The portal's own database, version 1. A change of it is a new file and a new number in `store::open`.
CREATE TABLE agent (
    card          TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    password_hash TEXT NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    must_change   INTEGER NOT NULL CHECK (must_change IN (0, 1))
) STRICT;

CREATE TABLE pair (
    card            TEXT NOT NULL REFERENCES agent (card),
    uscc            TEXT NOT NULL,
    confirmed       INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    -- The last day, YYYY-MM-DD.
    qualified_until TEXT NOT NULL,
    PRIMARY KEY (card, uscc)
) STRICT;

-- Wrong passwords so far, by card and by unit.
CREATE TABLE try (
    subject TEXT PRIMARY KEY,
    wrong   INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) STRICT;

CREATE TABLE submission (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    receipt    TEXT NOT NULL UNIQUE,
    at_ms      INTEGER NOT NULL,
    service    TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('new', 'correction', 'withdrawal')),
    -- The submission that this one corrects or withdraws; once only.
    of_receipt TEXT UNIQUE REFERENCES submission (receipt),
    uscc       TEXT NOT NULL,
    unit_name  TEXT NOT NULL,
    serial     TEXT NOT NULL,
    card       TEXT NOT NULL,
    agent_name TEXT NOT NULL,
    -- What the form's token was: the same form sent twice is one submission.
    form       TEXT NOT NULL,
    line       INTEGER NOT NULL,
    content    TEXT NOT NULL CHECK (json_valid(content)),
    CHECK ((kind = 'new') = (of_receipt IS NULL)),
    UNIQUE (form, line)
) STRICT;
CREATE INDEX submission_of_unit ON submission (uscc, id);
CREATE TRIGGER submission_is_not_changed BEFORE UPDATE ON submission
BEGIN SELECT RAISE(ABORT, 'submissions are not changed'); END;
CREATE TRIGGER submission_is_not_deleted BEFORE DELETE ON submission
BEGIN SELECT RAISE(ABORT, 'submissions are not deleted'); END;
PRAGMA user_version = 1;
