-- The register of insured units, as the social insurance sends it: staged in pieces, in force all at once.
CREATE TABLE register_import (
    number INTEGER NOT NULL PRIMARY KEY,
    file_sha256 BLOB NOT NULL CHECK (length(file_sha256) = 32),
    state TEXT NOT NULL CHECK (state IN ('staging', 'active', 'superseded', 'abandoned')),
    staged_lines INTEGER NOT NULL CHECK (staged_lines >= 0),
    good INTEGER NOT NULL CHECK (good >= 0),
    bad INTEGER NOT NULL CHECK (bad >= 0),
    started_by TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    CHECK ((ended_at IS NULL) = (state = 'staging'))
) STRICT;
-- One that is being staged, one that is in force.
CREATE UNIQUE INDEX register_import_state ON register_import (state) WHERE state = 'staging' OR state = 'active';

CREATE TABLE register_row (
    import INTEGER NOT NULL REFERENCES register_import (number),
    line INTEGER NOT NULL,
    uscc TEXT,
    org_code TEXT,
    labour_no TEXT NOT NULL,
    name TEXT NOT NULL,
    agency TEXT NOT NULL,
    region TEXT,
    CHECK (uscc IS NOT NULL OR org_code IS NOT NULL),
    CONSTRAINT register_row_import_line PRIMARY KEY (import, line)
) STRICT;
CREATE UNIQUE INDEX register_row_import_labour_no ON register_row (import, labour_no);
CREATE INDEX register_row_by_uscc ON register_row (import, uscc);
CREATE INDEX register_row_by_name ON register_row (import, name);

-- A department's list of units for new certificates. The file itself is not kept.
CREATE TABLE batch (
    id TEXT NOT NULL CONSTRAINT batch_id PRIMARY KEY,
    file_sha256 BLOB NOT NULL CHECK (length(file_sha256) = 32),
    format TEXT NOT NULL,
    header TEXT NOT NULL,
    state TEXT NOT NULL,
    documents TEXT,
    entered_by TEXT NOT NULL,
    entered_at INTEGER NOT NULL,
    CHECK (
        CASE state
            WHEN 'checked' THEN documents IS NULL
            WHEN 'withdrawn' THEN documents IS NULL
            WHEN 'submitting' THEN documents IS NOT NULL
            WHEN 'submitted' THEN documents IS NOT NULL
            ELSE FALSE
        END
    )
) STRICT;

-- cells: the line as it was sent, identity card numbers masked. findings: what is wrong with it, for people.
CREATE TABLE batch_line (
    batch TEXT NOT NULL REFERENCES batch (id),
    line INTEGER NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('good', 'review', 'bad')),
    unit TEXT REFERENCES unit (id),
    agent TEXT REFERENCES agent (id),
    years INTEGER,
    counter TEXT,
    cells TEXT NOT NULL,
    findings TEXT NOT NULL,
    application TEXT REFERENCES application (id),
    CHECK (verdict = 'bad' OR (unit IS NOT NULL AND agent IS NOT NULL AND years IS NOT NULL)),
    CHECK (application IS NULL OR verdict <> 'bad'),
    CONSTRAINT batch_line_batch_line PRIMARY KEY (batch, line)
) STRICT;
CREATE UNIQUE INDEX batch_line_application ON batch_line (application);

-- One row a counter and day: taken before seats are counted.
CREATE TABLE counter_day (
    counter TEXT NOT NULL,
    day TEXT NOT NULL,
    CONSTRAINT counter_day_counter_day PRIMARY KEY (counter, day)
) STRICT;

CREATE TABLE appointment (
    id TEXT NOT NULL CONSTRAINT appointment_id PRIMARY KEY,
    counter TEXT NOT NULL,
    day TEXT NOT NULL,
    slot TEXT NOT NULL,
    estimated INTEGER NOT NULL CHECK (estimated = 0 OR estimated = 1),
    purpose TEXT NOT NULL CHECK (purpose IN ('apply', 'collect', 'other')),
    unit TEXT NOT NULL REFERENCES unit (id),
    application TEXT REFERENCES application (id),
    made_by TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('booked', 'kept', 'missed', 'cancelled'))
) STRICT;
CREATE UNIQUE INDEX appointment_application ON appointment (application) WHERE state = 'booked';
CREATE INDEX appointment_by_day ON appointment (counter, day, slot);
