-- Invoices (发票) that payers ask for. form_sealed: what stands on it, sealed.
CREATE TABLE invoice (
    id TEXT NOT NULL CONSTRAINT invoice_id PRIMARY KEY,
    fee_order TEXT NOT NULL REFERENCES fee_order (id),
    payer TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind = 'ordinary' OR kind = 'special'),
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    form_sealed BLOB NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL CHECK (due_at > requested_at),
    due_estimated INTEGER NOT NULL CHECK (due_estimated = 0 OR due_estimated = 1),
    state TEXT NOT NULL,
    number TEXT CONSTRAINT invoice_number UNIQUE,
    file_sha256 BLOB CHECK (length(file_sha256) = 32),
    red_number TEXT CONSTRAINT invoice_red_number UNIQUE,
    reasons TEXT,
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
) STRICT;
CREATE INDEX invoice_by_state ON invoice (state, id);
CREATE INDEX invoice_by_order ON invoice (fee_order, id);
CREATE INDEX invoice_by_payer ON invoice (payer, id);

-- Their files, as they were handed in.
CREATE TABLE invoice_file (
    invoice TEXT NOT NULL CONSTRAINT invoice_file_invoice PRIMARY KEY REFERENCES invoice (id),
    media_type TEXT NOT NULL,
    content BLOB NOT NULL
) STRICT;
