-- Sealed rows cannot be opened here: this is for databases without them.
DROP TABLE personal_opening;
DROP TABLE agent_card;
PRAGMA defer_foreign_keys = ON;
CREATE TABLE agent_kept (id TEXT NOT NULL, qualified_at INTEGER) STRICT;
INSERT INTO agent_kept SELECT id, qualified_at FROM agent;
DROP TABLE agent;
CREATE TABLE agent (
    id TEXT NOT NULL CONSTRAINT agent_id PRIMARY KEY,
    name TEXT NOT NULL,
    id_card TEXT NOT NULL CONSTRAINT agent_id_card UNIQUE CHECK (length(id_card) = 18),
    qualified_at INTEGER
) STRICT;
INSERT INTO agent SELECT k.id, c.name, c.id_card, k.qualified_at FROM agent_kept k JOIN agent_clear c ON c.agent = k.id;
DROP TABLE agent_kept;
DROP TABLE agent_clear;
