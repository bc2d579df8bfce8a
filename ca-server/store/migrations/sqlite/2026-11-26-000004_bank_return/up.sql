-- Money that fits no order can go back: asked for by one person, decided by another. Who paid stands here until it went back;
-- return_reference: the bank's number of our transfer.
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
    return_reason TEXT,
    return_by TEXT,
    return_approved_by TEXT,
    return_reference TEXT CONSTRAINT bank_line_return_reference UNIQUE,
    CHECK (
        CASE state
            WHEN 'matched' THEN fee_order IS NOT NULL AND coalesce(reason, payer_name, remark, assigned_by) IS NULL
                AND coalesce(return_reason, return_by, return_approved_by, return_reference) IS NULL
            WHEN 'unmatched' THEN reason IS NOT NULL AND payer_name IS NOT NULL AND remark IS NOT NULL
                AND coalesce(fee_order, assigned_by, return_reason, return_by, return_approved_by, return_reference) IS NULL
            WHEN 'assigned' THEN fee_order IS NOT NULL AND assigned_by IS NOT NULL AND coalesce(reason, payer_name, remark) IS NULL
                AND coalesce(return_reason, return_by, return_approved_by, return_reference) IS NULL
            WHEN 'return-requested' THEN reason IS NOT NULL AND payer_name IS NOT NULL AND remark IS NOT NULL
                AND return_reason IS NOT NULL AND return_by IS NOT NULL
                AND coalesce(fee_order, assigned_by, return_approved_by, return_reference) IS NULL
            WHEN 'returned' THEN return_by IS NOT NULL AND return_approved_by IS NOT NULL AND return_reference IS NOT NULL
                AND return_by <> return_approved_by
                AND coalesce(reason, payer_name, remark, fee_order, assigned_by, return_reason) IS NULL
            ELSE FALSE
        END
    )
) STRICT;
INSERT INTO bank_line (id, payment, booked_on, amount_fen, imported_by, imported_at, state, reason, payer_name, remark, fee_order, assigned_by)
    SELECT id, payment, booked_on, amount_fen, imported_by, imported_at, state, reason, payer_name, remark, fee_order, assigned_by
    FROM former_bank_line;
DROP TABLE former_bank_line;
CREATE INDEX bank_line_by_state ON bank_line (state, id);
