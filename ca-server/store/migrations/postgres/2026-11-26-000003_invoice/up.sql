-- 发票 that were asked for. form_sealed: what was filled in, with personal data; it is there until it is erased. A column that
-- a state does not know is empty.
CREATE TABLE invoice (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT invoice_id PRIMARY KEY,
    fee_order TEXT COLLATE "C" NOT NULL REFERENCES fee_order (id),
    payer TEXT COLLATE "C" NOT NULL CHECK (payer LIKE 'unit:%' OR payer LIKE 'agent:%'),
    kind TEXT COLLATE "C" NOT NULL CHECK (kind = 'ordinary' OR kind = 'special' AND payer LIKE 'unit:%'),
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    form_sealed BYTEA,
    requested_by TEXT COLLATE "C" NOT NULL,
    requested_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL CHECK (due_at >= requested_at),
    due_estimated SMALLINT NOT NULL CHECK (due_estimated = 0 OR due_estimated = 1),
    state TEXT COLLATE "C" NOT NULL,
    number TEXT COLLATE "C" CONSTRAINT invoice_number UNIQUE,
    file_sha256 BYTEA,
    red_number TEXT COLLATE "C" CONSTRAINT invoice_red_number UNIQUE,
    reasons TEXT COLLATE "C",
    CHECK (
        CASE state
            WHEN 'requested' THEN coalesce(number, red_number, reasons) IS NULL AND file_sha256 IS NULL
            WHEN 'issued' THEN number IS NOT NULL AND coalesce(red_number, reasons) IS NULL
            WHEN 'red-lettered' THEN number IS NOT NULL AND red_number IS NOT NULL AND red_number <> number AND reasons IS NULL
            WHEN 'refused' THEN reasons IS NOT NULL AND coalesce(number, red_number) IS NULL AND file_sha256 IS NULL
            ELSE FALSE
        END
    )
);
CREATE INDEX invoice_by_state ON invoice (state, id);
CREATE INDEX invoice_by_order ON invoice (fee_order, id);
CREATE INDEX invoice_by_payer ON invoice (payer, id);
CREATE INDEX invoice_waiting ON invoice (due_at, id) WHERE state = 'requested';

-- The file of an invoice, as the tax bureau gave it out; there until it is erased.
CREATE TABLE invoice_file (
    invoice TEXT COLLATE "C" NOT NULL CONSTRAINT invoice_file_invoice PRIMARY KEY REFERENCES invoice (id),
    sha256 BYTEA NOT NULL,
    media_type TEXT COLLATE "C" NOT NULL
        CHECK (media_type = 'application/pdf' OR media_type = 'application/ofd' OR media_type = 'application/xml'),
    content BYTEA NOT NULL CHECK (length(content) <= 5242880),
    attached_by TEXT COLLATE "C" NOT NULL,
    attached_at BIGINT NOT NULL
);

-- Notices tell of invoices, too.
ALTER TABLE notice ADD COLUMN invoice TEXT COLLATE "C" REFERENCES invoice (id);
