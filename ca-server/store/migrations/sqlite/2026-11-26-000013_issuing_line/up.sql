-- A token that is ready and waits for its holder keeps no workstation: the next one is made meanwhile.
CREATE TABLE attempt_new (
    id TEXT NOT NULL CONSTRAINT attempt_id PRIMARY KEY,
    application TEXT NOT NULL REFERENCES application (id),
    workstation TEXT NOT NULL,
    clerk TEXT NOT NULL,
    wanted_token TEXT,
    state TEXT NOT NULL,
    token TEXT,
    serial BLOB,
    reason TEXT,
    created_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    note TEXT NOT NULL,
    held_application TEXT CONSTRAINT attempt_held_application UNIQUE,
    held_workstation TEXT CONSTRAINT attempt_held_workstation UNIQUE,
    -- Where its token's first PIN comes from, by the rule of the day on which it began.
    first_pin TEXT CHECK (first_pin IS NULL OR first_pin = 'fixed' OR first_pin = 'chosen' OR first_pin = 'slip'),
    CHECK (
        CASE state
            WHEN 'proved' THEN held_application = application AND held_workstation IS NULL
            WHEN 'delivered' THEN held_application = application AND held_workstation IS NULL
            WHEN 'abandoned' THEN held_application IS NULL AND held_workstation IS NULL
            ELSE held_application = application AND held_workstation = workstation
        END
    ),
    CHECK (held_application IS NOT NULL OR state = 'abandoned'),
    CHECK (held_workstation IS NOT NULL OR state = 'abandoned' OR state = 'delivered' OR state = 'proved'),
    CHECK (
        CASE state
            WHEN 'claimed' THEN token IS NULL AND serial IS NULL AND reason IS NULL
            WHEN 'bound' THEN token IS NOT NULL AND serial IS NULL AND reason IS NULL
            WHEN 'initialised' THEN token IS NOT NULL AND serial IS NULL AND reason IS NULL
            WHEN 'intended' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'signed' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'written' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'proved' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'delivered' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'abandoned' THEN token IS NULL AND serial IS NULL AND reason IS NOT NULL
            ELSE FALSE
        END
    )
) STRICT;
INSERT INTO attempt_new SELECT id, application, workstation, clerk, wanted_token, state, token, serial, reason, created_at,
    lease_until, note, held_application, iif(state = 'proved', NULL, held_workstation), NULL FROM attempt;
DROP TABLE attempt;
ALTER TABLE attempt_new RENAME TO attempt;
CREATE INDEX attempt_by_wanted_token ON attempt (wanted_token);
CREATE INDEX attempt_by_token ON attempt (token);

-- Applications that one workstation makes one after the other, token after token.
CREATE TABLE issuing_line (
    id TEXT NOT NULL CONSTRAINT issuing_line_id PRIMARY KEY,
    workstation TEXT NOT NULL,
    clerk TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE UNIQUE INDEX issuing_line_workstation ON issuing_line (workstation) WHERE ended_at IS NULL;

CREATE TABLE line_item (
    line TEXT NOT NULL REFERENCES issuing_line (id),
    position INTEGER NOT NULL,
    application TEXT NOT NULL REFERENCES application (id),
    state TEXT NOT NULL,
    token TEXT,
    note TEXT NOT NULL,
    CONSTRAINT line_item_line_position PRIMARY KEY (line, position),
    CHECK (
        CASE state
            WHEN 'waiting' THEN token IS NULL
            WHEN 'working' THEN token IS NOT NULL
            WHEN 'made' THEN token IS NOT NULL
            WHEN 'aside' THEN note <> ''
            ELSE FALSE
        END
    )
) STRICT;
-- An application stands in one line that goes on.
CREATE UNIQUE INDEX line_item_application ON line_item (application) WHERE state = 'waiting' OR state = 'working';
