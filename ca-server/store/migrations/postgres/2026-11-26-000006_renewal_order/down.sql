DROP INDEX agent_unit_by_unit;
DROP INDEX application_renewal_declined;
