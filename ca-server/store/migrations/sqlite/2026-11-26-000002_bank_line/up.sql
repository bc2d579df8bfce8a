-- Lines of bank statements by which money came in. Who paid stands here only as long as a person must look.
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
CREATE INDEX bank_line_by_state ON bank_line (state, id);
