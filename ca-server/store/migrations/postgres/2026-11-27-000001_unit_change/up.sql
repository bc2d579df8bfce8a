-- Another agent in the place of one is an event too: what a unit does with its certificates goes on with the new one.
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
    agent_from TEXT COLLATE "C" REFERENCES agent (id),
    agent_to TEXT COLLATE "C" REFERENCES agent (id),
    before TEXT COLLATE "C",
    basis TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL CHECK (length(sha256) = 32),
    effective_at BIGINT NOT NULL,
    recorded_by TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state = 'pending' OR state = 'applied' OR state = 'cancelled'),
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
);
INSERT INTO unit_event (id, unit, kind, name, code, successor, before, basis, sha256, effective_at, recorded_by, recorded_at, state) SELECT id, unit, kind, name, code, successor, before, basis, sha256, effective_at, recorded_by, recorded_at, state FROM unit_event_old;
DROP TABLE unit_event_old;
CREATE INDEX unit_event_by_unit ON unit_event (unit, effective_at);
CREATE INDEX unit_event_pending ON unit_event (effective_at, id) WHERE state = 'pending';

-- What a unit is told of it.
ALTER TABLE notice ADD COLUMN unit_event TEXT COLLATE "C" REFERENCES unit_event (id);

-- Since when a certificate should have been revoked (RFC 5280 §5.3.2), where that is known and earlier.
ALTER TABLE status ADD COLUMN invalid_since BIGINT CHECK (invalid_since IS NULL OR state = 'revoked');
