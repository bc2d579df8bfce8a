-- The agency that insures the unit (policies/eligibility.toml); NULL for units from before this was asked.
ALTER TABLE unit ADD COLUMN agency TEXT;
-- A pair of agent and unit ends when the agent leaves; confirmed anew, it lives again.
ALTER TABLE agent_unit ADD COLUMN ended_at INTEGER;
ALTER TABLE agent_unit ADD COLUMN ended_by TEXT CHECK ((ended_at IS NULL) = (ended_by IS NULL));
