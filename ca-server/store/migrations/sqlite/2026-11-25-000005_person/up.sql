-- Personal data of agents is sealed: the database holds ciphertexts and keyed digests to find them by. What stands here in
-- clear moves to agent_clear, which the program empties when it starts with its key. The old program cannot use this
-- schema, on purpose: it would go on writing in clear.
CREATE TABLE agent_clear (
    agent TEXT NOT NULL CONSTRAINT agent_clear_agent PRIMARY KEY,
    name TEXT NOT NULL,
    id_card TEXT NOT NULL
) STRICT;
INSERT INTO agent_clear SELECT id, name, id_card FROM agent;
-- Plain digests of requests with identity card numbers in them: all numbers that there can be are soon tried.
DELETE FROM idempotency WHERE resource IN (SELECT id FROM agent);

-- SQLite cannot drop a UNIQUE column: the table is built anew, with the rows that refer to it waiting.
PRAGMA defer_foreign_keys = ON;
CREATE TABLE agent_kept (id TEXT NOT NULL, qualified_at INTEGER) STRICT;
INSERT INTO agent_kept SELECT id, qualified_at FROM agent;
DROP TABLE agent;
-- Without a name and not erased: not sealed yet.
CREATE TABLE agent (
    id TEXT NOT NULL CONSTRAINT agent_id PRIMARY KEY,
    qualified_at INTEGER,
    name_sealed BLOB,
    name_index BLOB CHECK ((name_index IS NULL) = (name_sealed IS NULL)),
    id_card_sealed BLOB,
    id_card_index BLOB CONSTRAINT agent_id_card_index UNIQUE CHECK ((id_card_index IS NULL) = (id_card_sealed IS NULL)),
    erased_at INTEGER CHECK (erased_at IS NULL OR (name_sealed IS NULL AND id_card_sealed IS NULL))
) STRICT;
INSERT INTO agent (id, qualified_at) SELECT id, qualified_at FROM agent_kept;
DROP TABLE agent_kept;
CREATE INDEX agent_by_name ON agent (name_index);

-- Social security cards with their history. Of one agent one is live, and of one number.
CREATE TABLE agent_card (
    id TEXT NOT NULL CONSTRAINT agent_card_id PRIMARY KEY,
    agent TEXT NOT NULL REFERENCES agent (id),
    number_sealed BLOB,
    number_index BLOB CHECK ((number_index IS NULL) = (number_sealed IS NULL)),
    valid_from INTEGER NOT NULL,
    registered_by TEXT NOT NULL,
    reason TEXT NOT NULL
        CHECK (CASE reason WHEN 'first' THEN 1 WHEN 'lost' THEN 1 WHEN 'damaged' THEN 1 WHEN 'reissued' THEN 1
            WHEN 'corrected' THEN 1 ELSE 0 END),
    ended_at INTEGER CHECK (ended_at IS NOT NULL OR number_sealed IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX agent_card_agent ON agent_card (agent) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX agent_card_number_index ON agent_card (number_index) WHERE ended_at IS NULL;
CREATE INDEX agent_card_by_agent ON agent_card (agent, valid_from);

-- What opens the log's commitments to personal data: salt and value, sealed together.
CREATE TABLE personal_opening (
    id TEXT NOT NULL CONSTRAINT personal_opening_id PRIMARY KEY,
    agent TEXT NOT NULL REFERENCES agent (id),
    field TEXT NOT NULL
        CHECK (CASE field WHEN 'name' THEN 1 WHEN 'id-card' THEN 1 WHEN 'card' THEN 1 ELSE 0 END),
    commitment BLOB NOT NULL CONSTRAINT personal_opening_commitment UNIQUE CHECK (length(commitment) = 32),
    opening_sealed BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX personal_opening_by_agent ON personal_opening (agent);
