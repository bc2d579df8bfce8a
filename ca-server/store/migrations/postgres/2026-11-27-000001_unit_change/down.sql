ALTER TABLE status DROP COLUMN invalid_since;
DELETE FROM notice_delivery WHERE notice IN (SELECT id FROM notice WHERE unit_event IS NOT NULL);
DELETE FROM notice WHERE unit_event IS NOT NULL;
ALTER TABLE notice DROP COLUMN unit_event;
ALTER TABLE unit_event RENAME TO unit_event_old;
ALTER TABLE unit_event_old RENAME CONSTRAINT unit_event_id TO unit_event_old_id;
DROP INDEX unit_event_by_unit;
DROP INDEX unit_event_pending;
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
INSERT INTO unit_event (id, unit, kind, name, code, successor, before, basis, sha256, effective_at, recorded_by, recorded_at, state) SELECT id, unit, kind, name, code, successor, before, basis, sha256, effective_at, recorded_by, recorded_at, state FROM unit_event_old WHERE kind <> 'agent';
DROP TABLE unit_event_old;
CREATE INDEX unit_event_by_unit ON unit_event (unit, effective_at);
CREATE INDEX unit_event_pending ON unit_event (effective_at, id) WHERE state = 'pending';
