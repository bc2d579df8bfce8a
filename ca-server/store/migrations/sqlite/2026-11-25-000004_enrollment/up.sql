-- Enrollment as the guide has it: units with either code, their papers, events and accounts; every kind of application.
-- Tables are rebuilt where a CHECK or NOT NULL changes (sqlite.org/lang_altertable.html §7); foreign keys are off here
-- and checked at the end (migration.rs).
CREATE TABLE unit_new (
    id TEXT NOT NULL CONSTRAINT unit_id PRIMARY KEY,
    code TEXT NOT NULL CONSTRAINT unit_code UNIQUE CHECK (length(code) = 18 OR length(code) = 9),
    labour_no TEXT NOT NULL CONSTRAINT unit_labour_no UNIQUE CHECK (length(labour_no) = 8),
    name TEXT NOT NULL,
    province TEXT NOT NULL,
    city TEXT NOT NULL,
    region TEXT CHECK (length(region) = 6),
    agency TEXT,
    name_flag TEXT,
    registered_by TEXT NOT NULL,
    registered_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
INSERT INTO unit_new (id, code, labour_no, name, province, city, agency, registered_by, registered_at)
SELECT id, uscc, labour_no, name, province, city, agency, registered_by, registered_at FROM unit;
DROP TABLE unit;
ALTER TABLE unit_new RENAME TO unit;
-- The few that somebody asks for among all.
CREATE INDEX unit_ended ON unit (id) WHERE ended_at IS NOT NULL;
CREATE INDEX unit_flagged ON unit (id) WHERE name_flag IS NOT NULL;

-- unit_name, unit_code: what the certificate will say of the unit, as it was entered and approved.
-- kind with what it needs: the certificate that it is about, why it is replaced or revoked, years that are bought.
-- entered_before: who entered it before it was corrected, a JSON array. cps: version that was accepted.
CREATE TABLE application_new (
    id TEXT NOT NULL CONSTRAINT application_id PRIMARY KEY,
    unit TEXT NOT NULL REFERENCES unit (id),
    unit_name TEXT NOT NULL,
    unit_code TEXT NOT NULL,
    agent TEXT NOT NULL REFERENCES agent (id),
    kind TEXT NOT NULL,
    certificate BLOB REFERENCES intent (serial) CHECK (length(certificate) BETWEEN 1 AND 20),
    cause TEXT,
    profile TEXT NOT NULL,
    years INTEGER NOT NULL CHECK (years >= 0),
    cps TEXT NOT NULL,
    counter TEXT,
    contact_sealed BLOB,
    entered_by TEXT NOT NULL,
    entered_before TEXT NOT NULL,
    entered_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT,
    reasons TEXT,
    payment TEXT,
    attempt TEXT,
    serial BLOB,
    CHECK (
        CASE state
            WHEN 'submitted' THEN coalesce(decided_by, reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'approved' THEN decided_by IS NOT NULL AND coalesce(reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'rejected' THEN decided_by IS NOT NULL AND reasons IS NOT NULL AND coalesce(payment, attempt) IS NULL
                AND serial IS NULL
            WHEN 'withdrawn' THEN coalesce(decided_by, reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'expired' THEN coalesce(decided_by, reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'done' THEN decided_by IS NOT NULL AND coalesce(reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'paid' THEN coalesce(decided_by, reasons, attempt) IS NULL AND serial IS NULL
            WHEN 'personalising' THEN attempt IS NOT NULL AND coalesce(decided_by, reasons) IS NULL AND serial IS NULL
            WHEN 'issued' THEN attempt IS NOT NULL AND serial IS NOT NULL AND coalesce(decided_by, reasons) IS NULL
            WHEN 'delivered' THEN serial IS NOT NULL AND coalesce(decided_by, reasons, payment, attempt) IS NULL
            WHEN 'active' THEN serial IS NOT NULL AND coalesce(decided_by, reasons, payment, attempt) IS NULL
            ELSE FALSE
        END
    ),
    CHECK (
        CASE kind
            WHEN 'new' THEN certificate IS NULL AND cause IS NULL AND years > 0
            WHEN 'renew' THEN certificate IS NOT NULL AND cause IS NULL AND years > 0
            WHEN 'rekey' THEN certificate IS NOT NULL AND cause IS NULL AND years = 0
            WHEN 'replace' THEN certificate IS NOT NULL AND cause IS NOT NULL AND years = 0
            WHEN 'change' THEN certificate IS NOT NULL AND cause IS NULL AND years = 0
            WHEN 'revoke' THEN certificate IS NOT NULL AND cause IS NOT NULL AND years = 0
            WHEN 'hold' THEN certificate IS NOT NULL AND cause IS NULL AND years = 0
            WHEN 'release' THEN certificate IS NOT NULL AND cause IS NULL AND years = 0
            WHEN 'unlock' THEN certificate IS NOT NULL AND cause IS NULL AND years = 0
            ELSE FALSE
        END
    )
) STRICT;
INSERT INTO application_new (id, unit, unit_name, unit_code, agent, kind, certificate, profile, years, cps, entered_by, entered_before,
    entered_at, state, decided_by, reasons, payment, attempt, serial)
SELECT a.id, unit, u.name, u.code, agent, iif(renews IS NULL, 'new', 'renew'), renews, profile, years, '', entered_by, '[]',
    entered_at, state, decided_by, reasons, payment, attempt, serial FROM application a JOIN unit u ON u.id = a.unit;
DROP TABLE application;
ALTER TABLE application_new RENAME TO application;
CREATE INDEX application_by_state ON application (state, id);
CREATE INDEX application_by_unit ON application (unit, id);
CREATE INDEX application_by_agent ON application (agent, id);
-- One at a time makes the certificate that comes after another: a second one only after the first came to nothing.
CREATE UNIQUE INDEX application_certificate ON application (certificate)
    WHERE certificate IS NOT NULL AND kind <> 'revoke' AND kind <> 'hold' AND kind <> 'release' AND kind <> 'unlock'
        AND state <> 'rejected' AND state <> 'withdrawn' AND state <> 'expired';

ALTER TABLE application_document ADD COLUMN form TEXT NOT NULL DEFAULT 'original'
    CHECK (form = 'original' OR form = 'copy');
ALTER TABLE application_document ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
UPDATE application_document
SET seen_at = (SELECT entered_at FROM application WHERE application.id = application_document.application);

-- Papers seen when a unit was registered; form: the original, or a copy that stays here.
CREATE TABLE unit_document (
    unit TEXT NOT NULL REFERENCES unit (id),
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    form TEXT NOT NULL CHECK (form = 'original' OR form = 'copy'),
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    seen_by TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    CONSTRAINT unit_document_unit_position PRIMARY KEY (unit, position)
) STRICT;

-- Pairs of neighbouring characters of units' names: what a search by part of a name looks up. Both databases have it
-- alike, and it works for two characters, which three-character indexes do not.
CREATE TABLE unit_name_part (
    part TEXT NOT NULL,
    unit TEXT NOT NULL REFERENCES unit (id),
    CONSTRAINT unit_name_part_part_unit PRIMARY KEY (part, unit)
) STRICT, WITHOUT ROWID;

-- What happens to a unit, from a day on. The columns after kind are what the kind needs, and nothing else.
CREATE TABLE unit_event (
    id TEXT NOT NULL CONSTRAINT unit_event_id PRIMARY KEY,
    unit TEXT NOT NULL REFERENCES unit (id),
    kind TEXT NOT NULL,
    name TEXT,
    code TEXT CHECK (length(code) = 18),
    successor TEXT REFERENCES unit (id),
    before TEXT,
    basis TEXT NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    effective_at INTEGER NOT NULL,
    recorded_by TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state = 'pending' OR state = 'applied' OR state = 'cancelled'),
    CHECK (
        CASE kind
            WHEN 'rename' THEN name IS NOT NULL AND coalesce(code, successor) IS NULL
            WHEN 'new-code' THEN code IS NOT NULL AND coalesce(name, successor) IS NULL
            WHEN 'merger' THEN successor IS NOT NULL AND successor <> unit AND coalesce(name, code) IS NULL
            WHEN 'dissolution' THEN coalesce(name, code, successor) IS NULL
            ELSE FALSE
        END
    )
) STRICT;
CREATE INDEX unit_event_by_unit ON unit_event (unit, effective_at);
CREATE INDEX unit_event_pending ON unit_event (effective_at, id) WHERE state = 'pending';

-- Accounts of units and agents. name and password are NULL for an agent, who is found by card number, until a query
-- password is set. password: argon2id in PHC form.
CREATE TABLE account (
    id TEXT NOT NULL CONSTRAINT account_id PRIMARY KEY,
    unit TEXT CONSTRAINT account_unit UNIQUE REFERENCES unit (id),
    agent TEXT CONSTRAINT account_agent UNIQUE REFERENCES agent (id),
    name TEXT CONSTRAINT account_name UNIQUE,
    password TEXT NOT NULL,
    initial INTEGER NOT NULL CHECK (initial = 0 OR initial = 1),
    failures INTEGER NOT NULL CHECK (failures >= 0),
    locked_until INTEGER,
    changed_at INTEGER NOT NULL,
    CHECK ((unit IS NULL) <> (agent IS NULL)),
    CHECK ((unit IS NULL) = (name IS NULL))
) STRICT;

CREATE TABLE account_session (
    token_sha256 BLOB NOT NULL CONSTRAINT account_session_token_sha256 PRIMARY KEY CHECK (length(token_sha256) = 32),
    account TEXT NOT NULL REFERENCES account (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX account_session_by_account ON account_session (account);
CREATE INDEX account_session_by_end ON account_session (expires_at);

-- The name parts of units that are there already.
INSERT INTO unit_name_part (part, unit)
WITH RECURSIVE place (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM place WHERE n < 100)
SELECT DISTINCT substr(name, n, 2), id FROM unit, place WHERE n < length(name);
