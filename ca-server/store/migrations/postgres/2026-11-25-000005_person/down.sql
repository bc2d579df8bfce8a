-- Sealed rows cannot be opened here: this is for databases without them.
DROP TABLE personal_opening;
DROP TABLE agent_card;
ALTER TABLE agent DROP COLUMN erased_at;
ALTER TABLE agent DROP COLUMN id_card_index;
ALTER TABLE agent DROP COLUMN id_card_sealed;
ALTER TABLE agent DROP COLUMN name_index;
ALTER TABLE agent DROP COLUMN name_sealed;
ALTER TABLE agent ADD COLUMN name TEXT COLLATE "C";
ALTER TABLE agent ADD COLUMN id_card TEXT COLLATE "C" CONSTRAINT agent_id_card UNIQUE CHECK (length(id_card) = 18);
UPDATE agent SET name = c.name, id_card = c.id_card FROM agent_clear c WHERE c.agent = agent.id;
ALTER TABLE agent ALTER COLUMN name SET NOT NULL;
ALTER TABLE agent ALTER COLUMN id_card SET NOT NULL;
DROP TABLE agent_clear;
