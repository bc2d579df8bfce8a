DROP TABLE line_item;
DROP TABLE issuing_line;
CREATE TABLE attempt_old (
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
    CHECK (
        CASE state
            WHEN 'delivered' THEN held_application = application AND held_workstation IS NULL
            WHEN 'abandoned' THEN held_application IS NULL AND held_workstation IS NULL
            ELSE held_application = application AND held_workstation = workstation
        END
    ),
    CHECK (held_application IS NOT NULL OR state = 'abandoned'),
    CHECK (held_workstation IS NOT NULL OR state = 'abandoned' OR state = 'delivered'),
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
INSERT INTO attempt_old SELECT id, application, workstation, clerk, wanted_token, state, token, serial, reason, created_at,
    lease_until, note, held_application, iif(state = 'proved', workstation, held_workstation) FROM attempt;
DROP TABLE attempt;
ALTER TABLE attempt_old RENAME TO attempt;
CREATE INDEX attempt_by_wanted_token ON attempt (wanted_token);
CREATE INDEX attempt_by_token ON attempt (token);
