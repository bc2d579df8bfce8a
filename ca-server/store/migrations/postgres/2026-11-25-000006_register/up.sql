-- The register of insured units, as the social insurance sends it: staged in pieces, in force all at once.
CREATE TABLE register_import (
    number BIGINT NOT NULL CONSTRAINT register_import_number PRIMARY KEY,
    file_sha256 BYTEA NOT NULL CHECK (octet_length(file_sha256) = 32),
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('staging', 'active', 'superseded', 'abandoned')),
    staged_lines BIGINT NOT NULL CHECK (staged_lines >= 0),
    good BIGINT NOT NULL CHECK (good >= 0),
    bad BIGINT NOT NULL CHECK (bad >= 0),
    started_by TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    CHECK ((ended_at IS NULL) = (state = 'staging'))
);
-- One that is being staged, one that is in force.
CREATE UNIQUE INDEX register_import_state ON register_import (state) WHERE state = 'staging' OR state = 'active';

CREATE TABLE register_row (
    import BIGINT NOT NULL REFERENCES register_import (number),
    line INTEGER NOT NULL,
    uscc TEXT COLLATE "C",
    org_code TEXT COLLATE "C",
    labour_no TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    agency TEXT COLLATE "C" NOT NULL,
    region TEXT COLLATE "C",
    CHECK (uscc IS NOT NULL OR org_code IS NOT NULL),
    CONSTRAINT register_row_import_line PRIMARY KEY (import, line)
);
CREATE UNIQUE INDEX register_row_import_labour_no ON register_row (import, labour_no);
CREATE INDEX register_row_by_uscc ON register_row (import, uscc);
CREATE INDEX register_row_by_name ON register_row (import, name);

-- A department's list of units for new certificates. The file itself is not kept.
CREATE TABLE batch (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT batch_id PRIMARY KEY,
    file_sha256 BYTEA NOT NULL CHECK (octet_length(file_sha256) = 32),
    format TEXT COLLATE "C" NOT NULL,
    header TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    documents TEXT COLLATE "C",
    entered_by TEXT COLLATE "C" NOT NULL,
    entered_at BIGINT NOT NULL,
    CHECK (
        CASE state
            WHEN 'checked' THEN documents IS NULL
            WHEN 'withdrawn' THEN documents IS NULL
            WHEN 'submitting' THEN documents IS NOT NULL
            WHEN 'submitted' THEN documents IS NOT NULL
            ELSE FALSE
        END
    )
);

-- cells: the line as it was sent, identity card numbers masked. findings: what is wrong with it, for people.
CREATE TABLE batch_line (
    batch TEXT COLLATE "C" NOT NULL REFERENCES batch (id),
    line INTEGER NOT NULL,
    verdict TEXT COLLATE "C" NOT NULL CHECK (verdict IN ('good', 'review', 'bad')),
    unit TEXT COLLATE "C" REFERENCES unit (id),
    agent TEXT COLLATE "C" REFERENCES agent (id),
    years INTEGER,
    counter TEXT COLLATE "C",
    cells TEXT COLLATE "C" NOT NULL,
    findings TEXT COLLATE "C" NOT NULL,
    application TEXT COLLATE "C" REFERENCES application (id),
    CHECK (verdict = 'bad' OR (unit IS NOT NULL AND agent IS NOT NULL AND years IS NOT NULL)),
    CHECK (application IS NULL OR verdict <> 'bad'),
    CONSTRAINT batch_line_batch_line PRIMARY KEY (batch, line)
);
CREATE UNIQUE INDEX batch_line_application ON batch_line (application);

-- One row a counter and day: taken before seats are counted.
CREATE TABLE counter_day (
    counter TEXT COLLATE "C" NOT NULL,
    day TEXT COLLATE "C" NOT NULL,
    CONSTRAINT counter_day_counter_day PRIMARY KEY (counter, day)
);

CREATE TABLE appointment (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT appointment_id PRIMARY KEY,
    counter TEXT COLLATE "C" NOT NULL,
    day TEXT COLLATE "C" NOT NULL,
    slot TEXT COLLATE "C" NOT NULL,
    estimated SMALLINT NOT NULL CHECK (estimated = 0 OR estimated = 1),
    purpose TEXT COLLATE "C" NOT NULL CHECK (purpose IN ('apply', 'collect', 'other')),
    unit TEXT COLLATE "C" NOT NULL REFERENCES unit (id),
    application TEXT COLLATE "C" REFERENCES application (id),
    made_by TEXT COLLATE "C" NOT NULL,
    made_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('booked', 'kept', 'missed', 'cancelled'))
);
CREATE UNIQUE INDEX appointment_application ON appointment (application) WHERE state = 'booked';
CREATE INDEX appointment_by_day ON appointment (counter, day, slot);
