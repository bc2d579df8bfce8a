DROP INDEX application_renews;
ALTER TABLE application DROP COLUMN renews;
