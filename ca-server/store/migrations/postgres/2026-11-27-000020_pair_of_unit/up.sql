-- Who acts, and who acted, for a unit: the status of certificates is asked for as of a time that is past.
DROP INDEX agent_unit_by_unit;
CREATE INDEX agent_unit_by_unit ON agent_unit (unit, agent);
