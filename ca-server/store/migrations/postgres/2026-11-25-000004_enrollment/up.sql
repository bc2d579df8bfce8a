-- Enrollment as the guide has it: units with either code, their papers, events and accounts; every kind of application.
ALTER TABLE unit RENAME COLUMN uscc TO code;
ALTER TABLE unit RENAME CONSTRAINT unit_uscc TO unit_code;
ALTER TABLE unit DROP CONSTRAINT unit_uscc_check;
ALTER TABLE unit ADD CHECK (length(code) = 18 OR length(code) = 9);
ALTER TABLE unit ADD COLUMN region TEXT COLLATE "C" CHECK (length(region) = 6);
ALTER TABLE unit ADD COLUMN name_flag TEXT COLLATE "C";
ALTER TABLE unit ADD COLUMN ended_at BIGINT;
-- The few that somebody asks for among all.
CREATE INDEX unit_ended ON unit (id) WHERE ended_at IS NOT NULL;
CREATE INDEX unit_flagged ON unit (id) WHERE name_flag IS NOT NULL;

-- unit_name, unit_code: what the certificate will say of the unit, as it was entered and approved.
-- kind with what it needs: the certificate that it is about, why it is replaced or revoked, years that are bought.
-- entered_before: who entered it before it was corrected, a JSON array. cps: version that was accepted.
DROP INDEX application_renews;
ALTER TABLE application RENAME COLUMN renews TO certificate;
ALTER TABLE application DROP CONSTRAINT application_check;
ALTER TABLE application DROP CONSTRAINT application_years_check;
ALTER TABLE application ADD CHECK (years >= 0);
ALTER TABLE application ADD COLUMN unit_name TEXT COLLATE "C";
ALTER TABLE application ADD COLUMN unit_code TEXT COLLATE "C";
UPDATE application SET unit_name = unit.name, unit_code = unit.code FROM unit WHERE unit.id = application.unit;
ALTER TABLE application ALTER COLUMN unit_name SET NOT NULL;
ALTER TABLE application ALTER COLUMN unit_code SET NOT NULL;
ALTER TABLE application ADD COLUMN kind TEXT COLLATE "C" NOT NULL DEFAULT 'new';
ALTER TABLE application ADD COLUMN cause TEXT COLLATE "C";
ALTER TABLE application ADD COLUMN cps TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE application ADD COLUMN counter TEXT COLLATE "C";
ALTER TABLE application ADD COLUMN contact_sealed BYTEA;
ALTER TABLE application ADD COLUMN entered_before TEXT COLLATE "C" NOT NULL DEFAULT '[]';
UPDATE application SET kind = 'renew' WHERE certificate IS NOT NULL;
ALTER TABLE application ALTER COLUMN kind DROP DEFAULT;
ALTER TABLE application ALTER COLUMN cps DROP DEFAULT;
ALTER TABLE application ALTER COLUMN entered_before DROP DEFAULT;
ALTER TABLE application ADD
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
    );
ALTER TABLE application ADD
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
    );
CREATE INDEX application_by_agent ON application (agent, id);
-- One at a time makes the certificate that comes after another: a second one only after the first came to nothing.
CREATE UNIQUE INDEX application_certificate ON application (certificate)
    WHERE certificate IS NOT NULL AND kind <> 'revoke' AND kind <> 'hold' AND kind <> 'release' AND kind <> 'unlock'
        AND state <> 'rejected' AND state <> 'withdrawn' AND state <> 'expired';

ALTER TABLE application_document ADD COLUMN form TEXT COLLATE "C" NOT NULL DEFAULT 'original'
    CHECK (form = 'original' OR form = 'copy');
ALTER TABLE application_document ADD COLUMN seen_at BIGINT NOT NULL DEFAULT 0;
UPDATE application_document
SET seen_at = (SELECT entered_at FROM application WHERE application.id = application_document.application);

-- Papers seen when a unit was registered; form: the original, or a copy that stays here.
CREATE TABLE unit_document (
    unit TEXT COLLATE "C" NOT NULL REFERENCES unit (id),
    position INTEGER NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    form TEXT COLLATE "C" NOT NULL CHECK (form = 'original' OR form = 'copy'),
    sha256 BYTEA NOT NULL CHECK (length(sha256) = 32),
    seen_by TEXT COLLATE "C" NOT NULL,
    seen_at BIGINT NOT NULL,
    CONSTRAINT unit_document_unit_position PRIMARY KEY (unit, position)
);

-- Pairs of neighbouring characters of units' names: what a search by part of a name looks up. Both databases have it
-- alike, and it works for two characters, which three-character indexes do not.
CREATE TABLE unit_name_part (
    part TEXT COLLATE "C" NOT NULL,
    unit TEXT COLLATE "C" NOT NULL REFERENCES unit (id),
    CONSTRAINT unit_name_part_part_unit PRIMARY KEY (part, unit)
);

-- What happens to a unit, from a day on. The columns after kind are what the kind needs, and nothing else.
CREATE TABLE unit_event (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT unit_event_id PRIMARY KEY,
    unit TEXT COLLATE "C" NOT NULL REFERENCES unit (id),
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C",
    code TEXT COLLATE "C" CHECK (length(code) = 18),
    successor TEXT COLLATE "C" REFERENCES unit (id),
    before TEXT COLLATE "C",
    basis TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL CHECK (length(sha256) = 32),
    effective_at BIGINT NOT NULL,
    recorded_by TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state = 'pending' OR state = 'applied' OR state = 'cancelled'),
    CHECK (
        CASE kind
            WHEN 'rename' THEN name IS NOT NULL AND coalesce(code, successor) IS NULL
            WHEN 'new-code' THEN code IS NOT NULL AND coalesce(name, successor) IS NULL
            WHEN 'merger' THEN successor IS NOT NULL AND successor <> unit AND coalesce(name, code) IS NULL
            WHEN 'dissolution' THEN coalesce(name, code, successor) IS NULL
            ELSE FALSE
        END
    )
);
CREATE INDEX unit_event_by_unit ON unit_event (unit, effective_at);
CREATE INDEX unit_event_pending ON unit_event (effective_at, id) WHERE state = 'pending';

-- Accounts of units and agents. name and password are NULL for an agent, who is found by card number, until a query
-- password is set. password: argon2id in PHC form.
CREATE TABLE account (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT account_id PRIMARY KEY,
    unit TEXT COLLATE "C" CONSTRAINT account_unit UNIQUE REFERENCES unit (id),
    agent TEXT COLLATE "C" CONSTRAINT account_agent UNIQUE REFERENCES agent (id),
    name TEXT COLLATE "C" CONSTRAINT account_name UNIQUE,
    password TEXT COLLATE "C" NOT NULL,
    initial SMALLINT NOT NULL CHECK (initial = 0 OR initial = 1),
    failures INTEGER NOT NULL CHECK (failures >= 0),
    locked_until BIGINT,
    changed_at BIGINT NOT NULL,
    CHECK ((unit IS NULL) <> (agent IS NULL)),
    CHECK ((unit IS NULL) = (name IS NULL))
);

CREATE TABLE account_session (
    token_sha256 BYTEA NOT NULL CONSTRAINT account_session_token_sha256 PRIMARY KEY CHECK (length(token_sha256) = 32),
    account TEXT COLLATE "C" NOT NULL REFERENCES account (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX account_session_by_account ON account_session (account);
CREATE INDEX account_session_by_end ON account_session (expires_at);

-- The name parts of units that are there already.
INSERT INTO unit_name_part (part, unit)
SELECT DISTINCT substr(name, place, 2), id FROM unit, generate_series(1, length(name) - 1) place;
