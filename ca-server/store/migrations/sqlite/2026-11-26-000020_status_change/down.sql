DROP INDEX status_by_epoch;
ALTER TABLE status DROP COLUMN epoch;
