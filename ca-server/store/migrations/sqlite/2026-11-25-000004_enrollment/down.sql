-- What the earlier schema cannot say is refused by its CHECKs: then nothing is changed.
DROP TABLE account_session;
DROP TABLE account;
DROP TABLE unit_event;
DROP TABLE unit_name_part;
DROP TABLE unit_document;
ALTER TABLE application_document DROP COLUMN seen_at;
ALTER TABLE application_document DROP COLUMN form;
CREATE TABLE application_old (
    id TEXT NOT NULL CONSTRAINT application_id PRIMARY KEY,
    unit TEXT NOT NULL REFERENCES unit (id),
    agent TEXT NOT NULL REFERENCES agent (id),
    profile TEXT NOT NULL,
    years INTEGER NOT NULL CHECK (years > 0),
    entered_by TEXT NOT NULL,
    entered_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT,
    reasons TEXT,
    payment TEXT,
    attempt TEXT,
    serial BLOB,
    renews BLOB REFERENCES intent (serial) CHECK (length(renews) BETWEEN 1 AND 20),
    CHECK (
        CASE state
            WHEN 'submitted' THEN coalesce(decided_by, reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'approved' THEN decided_by IS NOT NULL AND coalesce(reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'rejected' THEN decided_by IS NOT NULL AND reasons IS NOT NULL AND coalesce(payment, attempt) IS NULL
                AND serial IS NULL
            WHEN 'withdrawn' THEN coalesce(decided_by, reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'paid' THEN payment IS NOT NULL AND coalesce(decided_by, reasons, attempt) IS NULL AND serial IS NULL
            WHEN 'personalising' THEN payment IS NOT NULL AND attempt IS NOT NULL
                AND coalesce(decided_by, reasons) IS NULL AND serial IS NULL
            WHEN 'issued' THEN payment IS NOT NULL AND attempt IS NOT NULL AND serial IS NOT NULL
                AND coalesce(decided_by, reasons) IS NULL
            WHEN 'delivered' THEN serial IS NOT NULL AND coalesce(decided_by, reasons, payment, attempt) IS NULL
            WHEN 'active' THEN serial IS NOT NULL AND coalesce(decided_by, reasons, payment, attempt) IS NULL
            ELSE FALSE
        END
    )
) STRICT;
INSERT INTO application_old (id, unit, agent, profile, years, entered_by, entered_at, state, decided_by, reasons, payment,
    attempt, serial, renews)
SELECT id, unit, agent, profile, years, entered_by, entered_at, state, decided_by, reasons, payment, attempt, serial,
    certificate FROM application;
DROP TABLE application;
ALTER TABLE application_old RENAME TO application;
CREATE INDEX application_by_state ON application (state, id);
CREATE INDEX application_by_unit ON application (unit, id);
CREATE UNIQUE INDEX application_renews ON application (renews)
    WHERE renews IS NOT NULL AND state <> 'rejected' AND state <> 'withdrawn';
CREATE TABLE unit_old (
    id TEXT NOT NULL CONSTRAINT unit_id PRIMARY KEY,
    uscc TEXT NOT NULL CONSTRAINT unit_uscc UNIQUE CHECK (length(uscc) = 18),
    labour_no TEXT NOT NULL CONSTRAINT unit_labour_no UNIQUE CHECK (length(labour_no) = 8),
    name TEXT NOT NULL,
    province TEXT NOT NULL,
    city TEXT NOT NULL,
    registered_by TEXT NOT NULL,
    registered_at INTEGER NOT NULL,
    agency TEXT
) STRICT;
INSERT INTO unit_old (id, uscc, labour_no, name, province, city, registered_by, registered_at, agency)
SELECT id, code, labour_no, name, province, city, registered_by, registered_at, agency FROM unit;
DROP TABLE unit;
ALTER TABLE unit_old RENAME TO unit;
