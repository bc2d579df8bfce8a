-- Training of agents (step 1): sessions with seats, and the units' applications for their agents.
CREATE TABLE training_session (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT training_session_id PRIMARY KEY,
    starts_at BIGINT NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    seats INTEGER NOT NULL CHECK (seats > 0),
    planned_by TEXT COLLATE "C" NOT NULL,
    planned_at BIGINT NOT NULL
);

-- due_at: the first moment at which a decision is late; due_estimated: it reaches into a year without a calendar.
CREATE TABLE training (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT training_id PRIMARY KEY,
    unit TEXT COLLATE "C" NOT NULL REFERENCES unit (id),
    agent TEXT COLLATE "C" NOT NULL REFERENCES agent (id),
    entered_by TEXT COLLATE "C" NOT NULL,
    entered_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    due_estimated SMALLINT NOT NULL CHECK (due_estimated = 0 OR due_estimated = 1),
    state TEXT COLLATE "C" NOT NULL,
    decided_by TEXT COLLATE "C",
    reasons TEXT COLLATE "C",
    session TEXT COLLATE "C" REFERENCES training_session (id),
    CHECK (
        CASE state
            WHEN 'submitted' THEN coalesce(decided_by, reasons, session) IS NULL
            WHEN 'accepted' THEN decided_by IS NOT NULL AND coalesce(reasons, session) IS NULL
            WHEN 'rejected' THEN decided_by IS NOT NULL AND reasons IS NOT NULL AND session IS NULL
            WHEN 'withdrawn' THEN coalesce(decided_by, reasons, session) IS NULL
            WHEN 'invited' THEN decided_by IS NOT NULL AND session IS NOT NULL AND reasons IS NULL
            WHEN 'passed' THEN decided_by IS NOT NULL AND reasons IS NULL
            WHEN 'failed' THEN decided_by IS NOT NULL AND session IS NOT NULL AND reasons IS NOT NULL
            ELSE FALSE
        END
    )
);
CREATE UNIQUE INDEX training_unit_agent ON training (unit, agent) WHERE state <> 'withdrawn';
CREATE INDEX training_by_state ON training (state, due_at, id);
CREATE INDEX training_by_agent ON training (agent);
CREATE INDEX training_by_session ON training (session);

ALTER TABLE notice ADD COLUMN training TEXT COLLATE "C" REFERENCES training (id);
