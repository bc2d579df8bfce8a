-- Personal data of agents is sealed: the database holds ciphertexts and keyed digests to find them by. What stands here in
-- clear moves to agent_clear, which the program empties when it starts with its key. The old program cannot use this
-- schema, on purpose: it would go on writing in clear.
CREATE TABLE agent_clear (
    agent TEXT COLLATE "C" NOT NULL CONSTRAINT agent_clear_agent PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    id_card TEXT COLLATE "C" NOT NULL
);
INSERT INTO agent_clear SELECT id, name, id_card FROM agent;
-- Plain digests of requests with identity card numbers in them: all numbers that there can be are soon tried.
DELETE FROM idempotency WHERE resource IN (SELECT id FROM agent);

-- Without a name and not erased: not sealed yet.
ALTER TABLE agent DROP COLUMN name;
ALTER TABLE agent DROP COLUMN id_card;
ALTER TABLE agent ADD COLUMN name_sealed BYTEA;
ALTER TABLE agent ADD COLUMN name_index BYTEA CHECK ((name_index IS NULL) = (name_sealed IS NULL));
ALTER TABLE agent ADD COLUMN id_card_sealed BYTEA;
ALTER TABLE agent ADD COLUMN id_card_index BYTEA CONSTRAINT agent_id_card_index UNIQUE
    CHECK ((id_card_index IS NULL) = (id_card_sealed IS NULL));
ALTER TABLE agent ADD COLUMN erased_at BIGINT
    CHECK (erased_at IS NULL OR (name_sealed IS NULL AND id_card_sealed IS NULL));
CREATE INDEX agent_by_name ON agent (name_index);

-- Social security cards with their history. Of one agent one is live, and of one number.
CREATE TABLE agent_card (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT agent_card_id PRIMARY KEY,
    agent TEXT COLLATE "C" NOT NULL REFERENCES agent (id),
    number_sealed BYTEA,
    number_index BYTEA CHECK ((number_index IS NULL) = (number_sealed IS NULL)),
    valid_from BIGINT NOT NULL,
    registered_by TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL
        CHECK (CASE reason WHEN 'first' THEN TRUE WHEN 'lost' THEN TRUE WHEN 'damaged' THEN TRUE
            WHEN 'reissued' THEN TRUE WHEN 'corrected' THEN TRUE ELSE FALSE END),
    ended_at BIGINT CHECK (ended_at IS NOT NULL OR number_sealed IS NOT NULL)
);
CREATE UNIQUE INDEX agent_card_agent ON agent_card (agent) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX agent_card_number_index ON agent_card (number_index) WHERE ended_at IS NULL;
CREATE INDEX agent_card_by_agent ON agent_card (agent, valid_from);

-- What opens the log's commitments to personal data: salt and value, sealed together.
CREATE TABLE personal_opening (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT personal_opening_id PRIMARY KEY,
    agent TEXT COLLATE "C" NOT NULL REFERENCES agent (id),
    field TEXT COLLATE "C" NOT NULL
        CHECK (CASE field WHEN 'name' THEN TRUE WHEN 'id-card' THEN TRUE WHEN 'card' THEN TRUE ELSE FALSE END),
    commitment BYTEA NOT NULL CONSTRAINT personal_opening_commitment UNIQUE CHECK (length(commitment) = 32),
    opening_sealed BYTEA NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX personal_opening_by_agent ON personal_opening (agent);
