-- Another agent in the place of one is an event too: what a unit does with its certificates goes on with the new one.
CREATE TABLE unit_event_new (
    id TEXT NOT NULL CONSTRAINT unit_event_id PRIMARY KEY,
    unit TEXT NOT NULL REFERENCES unit (id),
    kind TEXT NOT NULL,
    name TEXT,
    code TEXT CHECK (length(code) = 18),
    successor TEXT REFERENCES unit (id),
    agent_from TEXT REFERENCES agent (id),
    agent_to TEXT REFERENCES agent (id),
    before TEXT,
    basis TEXT NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    effective_at INTEGER NOT NULL,
    recorded_by TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state = 'pending' OR state = 'applied' OR state = 'cancelled'),
    CHECK (
        CASE kind
            WHEN 'rename' THEN name IS NOT NULL AND coalesce(code, successor, agent_from, agent_to) IS NULL
            WHEN 'new-code' THEN code IS NOT NULL AND coalesce(name, successor, agent_from, agent_to) IS NULL
            WHEN 'agent' THEN agent_from IS NOT NULL AND agent_to IS NOT NULL AND agent_from <> agent_to
                AND coalesce(name, code, successor) IS NULL
            WHEN 'merger' THEN successor IS NOT NULL AND successor <> unit
                AND coalesce(name, code, agent_from, agent_to) IS NULL
            WHEN 'dissolution' THEN coalesce(name, code, successor, agent_from, agent_to) IS NULL
            ELSE FALSE
        END
    )
) STRICT;
INSERT INTO unit_event_new (id, unit, kind, name, code, successor, before, basis, sha256, effective_at, recorded_by, recorded_at, state) SELECT id, unit, kind, name, code, successor, before, basis, sha256, effective_at, recorded_by, recorded_at, state FROM unit_event;
DROP TABLE unit_event;
ALTER TABLE unit_event_new RENAME TO unit_event;
CREATE INDEX unit_event_by_unit ON unit_event (unit, effective_at);
CREATE INDEX unit_event_pending ON unit_event (effective_at, id) WHERE state = 'pending';

-- What a unit is told of it.
ALTER TABLE notice ADD COLUMN unit_event TEXT REFERENCES unit_event (id);

-- Since when a certificate should have been revoked (RFC 5280 §5.3.2), where that is known and earlier.
ALTER TABLE status ADD COLUMN invalid_since INTEGER CHECK (invalid_since IS NULL OR state = 'revoked');
