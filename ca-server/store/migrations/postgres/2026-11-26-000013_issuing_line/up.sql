-- A token that is ready and waits for its holder keeps no workstation: the next one is made meanwhile.
ALTER TABLE attempt DROP CONSTRAINT attempt_check;
ALTER TABLE attempt DROP CONSTRAINT attempt_check2;
UPDATE attempt SET held_workstation = NULL WHERE state = 'proved';
ALTER TABLE attempt ADD CONSTRAINT attempt_check CHECK (
    CASE state
        WHEN 'proved' THEN held_application = application AND held_workstation IS NULL
        WHEN 'delivered' THEN held_application = application AND held_workstation IS NULL
        WHEN 'abandoned' THEN held_application IS NULL AND held_workstation IS NULL
        ELSE held_application = application AND held_workstation = workstation
    END
);
ALTER TABLE attempt ADD CONSTRAINT attempt_check2
    CHECK (held_workstation IS NOT NULL OR state = 'abandoned' OR state = 'delivered' OR state = 'proved');

-- Where its token's first PIN comes from, by the rule of the day on which it began.
ALTER TABLE attempt ADD COLUMN first_pin TEXT COLLATE "C"
    CHECK (first_pin IS NULL OR first_pin = 'fixed' OR first_pin = 'chosen' OR first_pin = 'slip');

-- Applications that one workstation makes one after the other, token after token.
CREATE TABLE issuing_line (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT issuing_line_id PRIMARY KEY,
    workstation TEXT COLLATE "C" NOT NULL,
    clerk TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE UNIQUE INDEX issuing_line_workstation ON issuing_line (workstation) WHERE ended_at IS NULL;

CREATE TABLE line_item (
    line TEXT COLLATE "C" NOT NULL REFERENCES issuing_line (id),
    position BIGINT NOT NULL,
    application TEXT COLLATE "C" NOT NULL REFERENCES application (id),
    state TEXT COLLATE "C" NOT NULL,
    token TEXT COLLATE "C",
    note TEXT COLLATE "C" NOT NULL,
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
);
-- An application stands in one line that goes on.
CREATE UNIQUE INDEX line_item_application ON line_item (application) WHERE state = 'waiting' OR state = 'working';
