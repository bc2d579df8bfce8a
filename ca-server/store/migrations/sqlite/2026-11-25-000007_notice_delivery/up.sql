-- How a unit is reached: personal data, which leaves this table masked only, and for sending.
CREATE TABLE unit_contact (
    unit TEXT NOT NULL CONSTRAINT unit_contact_unit PRIMARY KEY REFERENCES unit (id),
    mail_sealed BLOB,
    phone_sealed BLOB,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL
) STRICT;

-- Until now a notice was sent when its file was written. Now each channel has a row of its own, and the notice knows
-- when these were made.
DROP INDEX notice_pending;
ALTER TABLE notice RENAME COLUMN sent_at TO routed_at;
CREATE INDEX notice_unrouted ON notice (created_at, id) WHERE routed_at IS NULL;

-- A certificate that is about to end: asked for once a step, so many days before.
ALTER TABLE notice ADD COLUMN certificate BLOB REFERENCES certificate (serial);
ALTER TABLE notice ADD COLUMN step INTEGER CHECK (
    (step IS NULL) = (certificate IS NULL) AND (step IS NULL OR step = 90 OR step = 30 OR step = 7)
);
CREATE UNIQUE INDEX notice_certificate_step ON notice (certificate, step) WHERE certificate IS NOT NULL;
CREATE INDEX status_end_of_good ON status (not_after, serial) WHERE state = 'good';

-- attempts: tries whose outcome is known; error: the rule that said no, and a detail without personal data.
CREATE TABLE notice_delivery (
    notice TEXT NOT NULL REFERENCES notice (id),
    channel TEXT NOT NULL CHECK (channel = 'file' OR channel = 'mail' OR channel = 'webhook'),
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    next_at INTEGER,
    sent_at INTEGER,
    error TEXT,
    CONSTRAINT notice_delivery_notice_channel PRIMARY KEY (notice, channel),
    CHECK (
        CASE state
            WHEN 'waiting' THEN next_at IS NOT NULL AND sent_at IS NULL
            WHEN 'sent' THEN sent_at IS NOT NULL AND next_at IS NULL AND error IS NULL
            WHEN 'failed' THEN error IS NOT NULL AND next_at IS NULL AND sent_at IS NULL
            ELSE FALSE
        END
    )
) STRICT;
CREATE INDEX notice_delivery_due ON notice_delivery (channel, next_at, notice) WHERE state = 'waiting';
CREATE INDEX notice_delivery_by_state ON notice_delivery (state, notice);
INSERT INTO notice_delivery (notice, channel, state, attempts, sent_at)
    SELECT id, 'file', 'sent', 1, routed_at FROM notice WHERE routed_at IS NOT NULL;
