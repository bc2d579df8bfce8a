ALTER TABLE status DROP COLUMN invalid_since;
DELETE FROM notice_delivery WHERE notice IN (SELECT id FROM notice WHERE unit_event IS NOT NULL);
DELETE FROM notice WHERE unit_event IS NOT NULL;
ALTER TABLE notice DROP COLUMN unit_event;
CREATE TABLE unit_event_new (
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
INSERT INTO unit_event_new (id, unit, kind, name, code, successor, before, basis, sha256, effective_at, recorded_by, recorded_at, state) SELECT id, unit, kind, name, code, successor, before, basis, sha256, effective_at, recorded_by, recorded_at, state FROM unit_event WHERE kind <> 'agent';
DROP TABLE unit_event;
ALTER TABLE unit_event_new RENAME TO unit_event;
CREATE INDEX unit_event_by_unit ON unit_event (unit, effective_at);
CREATE INDEX unit_event_pending ON unit_event (effective_at, id) WHERE state = 'pending';
