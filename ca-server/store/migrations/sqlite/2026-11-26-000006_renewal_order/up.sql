-- Certificates whose renewal somebody decided against: none is ordered by itself.
CREATE INDEX application_renewal_declined ON application (certificate)
    WHERE kind = 'renew' AND (state = 'withdrawn' OR state = 'rejected');
-- Who acts for a unit now.
CREATE INDEX agent_unit_by_unit ON agent_unit (unit, agent) WHERE ended_at IS NULL;
