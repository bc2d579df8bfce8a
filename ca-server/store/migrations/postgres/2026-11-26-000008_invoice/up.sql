-- Invoices (发票) that payers ask for. form_sealed: what stands on it, sealed.
CREATE TABLE invoice (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT invoice_id PRIMARY KEY,
    fee_order TEXT COLLATE "C" NOT NULL REFERENCES fee_order (id),
    payer TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind = 'ordinary' OR kind = 'special'),
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    form_sealed BYTEA NOT NULL,
    requested_by TEXT COLLATE "C" NOT NULL,
    requested_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL CHECK (due_at > requested_at),
    due_estimated SMALLINT NOT NULL CHECK (due_estimated = 0 OR due_estimated = 1),
    state TEXT COLLATE "C" NOT NULL,
    number TEXT COLLATE "C" CONSTRAINT invoice_number UNIQUE,
    file_sha256 BYTEA CHECK (octet_length(file_sha256) = 32),
    red_number TEXT COLLATE "C" CONSTRAINT invoice_red_number UNIQUE,
    reasons TEXT COLLATE "C",
    CHECK (
        CASE state
            WHEN 'requested' THEN coalesce(number, red_number, reasons) IS NULL AND file_sha256 IS NULL
            WHEN 'issued' THEN number IS NOT NULL AND coalesce(red_number, reasons) IS NULL
            WHEN 'red-lettered' THEN number IS NOT NULL AND red_number IS NOT NULL AND number <> red_number
                AND reasons IS NULL AND file_sha256 IS NULL
            WHEN 'refused' THEN reasons IS NOT NULL AND coalesce(number, red_number) IS NULL AND file_sha256 IS NULL
            ELSE FALSE
        END
    )
);
CREATE INDEX invoice_by_state ON invoice (state, id);
CREATE INDEX invoice_by_order ON invoice (fee_order, id);
CREATE INDEX invoice_by_payer ON invoice (payer, id);

-- Their files, as they were handed in.
CREATE TABLE invoice_file (
    invoice TEXT COLLATE "C" NOT NULL CONSTRAINT invoice_file_invoice PRIMARY KEY REFERENCES invoice (id),
    media_type TEXT COLLATE "C" NOT NULL,
    content BYTEA NOT NULL
);
