-- Why a certificate is on hold, who placed it and when, and how it ends by itself. caller_sealed: who called, and what they
-- said. Holds of before have no row: no reason is known, so none of them ends by itself.
CREATE TABLE hold (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT hold_id PRIMARY KEY,
    certificate BYTEA NOT NULL REFERENCES certificate (serial),
    reason TEXT COLLATE "C" NOT NULL CHECK (reason = 'lost' OR reason = 'arrears' OR reason = 'application' OR reason = 'staff'
        OR reason = 'repair'),
    placed_by TEXT COLLATE "C" NOT NULL,
    placed_at BIGINT NOT NULL,
    caller_sealed BYTEA,
    due_end TEXT COLLATE "C" CHECK (due_end = 'revoke' OR due_end = 'release'),
    due_at BIGINT,
    told_at BIGINT,
    ended_at BIGINT,
    ended_by TEXT COLLATE "C",
    ended_how TEXT COLLATE "C" CHECK (ended_how = 'revoked' OR ended_how = 'released' OR ended_how = 'replaced'),
    CHECK ((due_end IS NULL) = (due_at IS NULL) AND (told_at IS NULL OR due_at IS NOT NULL)),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL) AND (ended_at IS NULL) = (ended_how IS NULL))
);
CREATE UNIQUE INDEX hold_certificate ON hold (certificate) WHERE ended_at IS NULL;
CREATE INDEX hold_by_certificate ON hold (certificate, id);
CREATE INDEX hold_due ON hold (due_at, id) WHERE ended_at IS NULL;

-- What a unit is told of it.
ALTER TABLE notice ADD COLUMN hold TEXT COLLATE "C" REFERENCES hold (id);

-- A temporary certificate, while a token is repaired, is nobody's successor.
DROP INDEX application_certificate;
CREATE UNIQUE INDEX application_certificate ON application (certificate)
    WHERE certificate IS NOT NULL AND kind <> 'revoke' AND kind <> 'hold' AND kind <> 'release' AND kind <> 'unlock'
        AND state <> 'rejected' AND state <> 'withdrawn' AND state <> 'expired' AND coalesce(cause, '') <> 'repair';
CREATE INDEX application_temporary ON application (certificate, id) WHERE cause = 'repair';
