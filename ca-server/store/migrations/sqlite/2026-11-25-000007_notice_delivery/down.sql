DROP TABLE notice_delivery;
DROP INDEX status_end_of_good;
DROP INDEX notice_certificate_step;
ALTER TABLE notice DROP COLUMN step;
ALTER TABLE notice DROP COLUMN certificate;
DROP INDEX notice_unrouted;
ALTER TABLE notice RENAME COLUMN routed_at TO sent_at;
CREATE INDEX notice_pending ON notice (created_at, id) WHERE sent_at IS NULL;
DROP TABLE unit_contact;
