-- Money that fits no order can go back: asked for by one person, decided by another. Who paid stands here until it went back;
-- return_reference: the bank's number of our transfer.
ALTER TABLE bank_line
    ADD COLUMN return_reason TEXT COLLATE "C",
    ADD COLUMN return_by TEXT COLLATE "C",
    ADD COLUMN return_approved_by TEXT COLLATE "C",
    ADD COLUMN return_reference TEXT COLLATE "C" CONSTRAINT bank_line_return_reference UNIQUE,
    DROP CONSTRAINT bank_line_check,
    ADD CONSTRAINT bank_line_check CHECK (
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
    );
