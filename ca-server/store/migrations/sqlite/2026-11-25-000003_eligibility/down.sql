ALTER TABLE agent_unit DROP COLUMN ended_by;
ALTER TABLE agent_unit DROP COLUMN ended_at;
ALTER TABLE unit DROP COLUMN agency;
