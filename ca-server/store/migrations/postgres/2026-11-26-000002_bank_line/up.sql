-- Lines of bank statements by which money came in. Who paid stands here only as long as a person must look.
CREATE TABLE bank_line (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT bank_line_id PRIMARY KEY,
    payment TEXT COLLATE "C" NOT NULL CONSTRAINT bank_line_payment UNIQUE REFERENCES payment (id),
    booked_on TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    imported_by TEXT COLLATE "C" NOT NULL,
    imported_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C",
    payer_name TEXT COLLATE "C",
    remark TEXT COLLATE "C",
    fee_order TEXT COLLATE "C" REFERENCES fee_order (id),
    assigned_by TEXT COLLATE "C",
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
);
CREATE INDEX bank_line_by_state ON bank_line (state, id);
