ALTER TABLE bank_line RENAME TO former_bank_line;
DROP INDEX bank_line_by_state;
CREATE TABLE bank_line (
    id TEXT NOT NULL CONSTRAINT bank_line_id PRIMARY KEY,
    payment TEXT NOT NULL CONSTRAINT bank_line_payment UNIQUE REFERENCES payment (id),
    booked_on TEXT NOT NULL,
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    imported_by TEXT NOT NULL,
    imported_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    payer_name TEXT,
    remark TEXT,
    fee_order TEXT REFERENCES fee_order (id),
    assigned_by TEXT,
    CHECK (
        CASE state
            WHEN 'matched' THEN fee_order IS NOT NULL AND coalesce(reason, payer_name, remark, assigned_by) IS NULL
            WHEN 'unmatched' THEN reason IS NOT NULL AND payer_name IS NOT NULL AND remark IS NOT NULL
                AND coalesce(fee_order, assigned_by) IS NULL
            WHEN 'assigned' THEN fee_order IS NOT NULL AND assigned_by IS NOT NULL
                AND coalesce(reason, payer_name, remark) IS NULL
            ELSE FALSE
        END
    )
) STRICT;
INSERT INTO bank_line (id, payment, booked_on, amount_fen, imported_by, imported_at, state, reason, payer_name, remark, fee_order, assigned_by)
    SELECT id, payment, booked_on, amount_fen, imported_by, imported_at, state, reason, payer_name, remark, fee_order, assigned_by
    FROM former_bank_line;
DROP TABLE former_bank_line;
CREATE INDEX bank_line_by_state ON bank_line (state, id);
