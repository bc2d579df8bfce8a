-- The epoch with which a status moved last, so that whoever knows an older one asks for the difference only.
ALTER TABLE status ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
UPDATE status SET epoch = (SELECT epoch FROM status_epoch);
CREATE INDEX status_by_epoch ON status (epoch);
