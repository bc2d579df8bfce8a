DROP INDEX agent_unit_by_unit;
CREATE INDEX agent_unit_by_unit ON agent_unit (unit, agent) WHERE ended_at IS NULL;
