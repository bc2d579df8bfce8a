ALTER TABLE bank_line
    DROP CONSTRAINT bank_line_check,
    DROP COLUMN return_reference,
    DROP COLUMN return_approved_by,
    DROP COLUMN return_by,
    DROP COLUMN return_reason,
    ADD CONSTRAINT bank_line_check CHECK (
        CASE state
            WHEN 'matched' THEN fee_order IS NOT NULL AND coalesce(reason, payer_name, remark, assigned_by) IS NULL
            WHEN 'unmatched' THEN reason IS NOT NULL AND payer_name IS NOT NULL AND remark IS NOT NULL
                AND coalesce(fee_order, assigned_by) IS NULL
            WHEN 'assigned' THEN fee_order IS NOT NULL AND assigned_by IS NOT NULL
                AND coalesce(reason, payer_name, remark) IS NULL
            ELSE FALSE
        END
    );
