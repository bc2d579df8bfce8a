-- What an invoice's payer is told of it. The address is not here: it stands on the invoice, sealed.
ALTER TABLE notice ADD COLUMN invoice TEXT REFERENCES invoice (id);

-- What stood on it is erased with the person whose it was. One that must still be written cannot be.
ALTER TABLE invoice ADD COLUMN erased_at INTEGER CHECK (
    (erased_at IS NULL) = (length(form_sealed) > 0) AND (erased_at IS NULL OR state <> 'requested')
);

-- What stands on the order's invoices that are asked for or issued. Orders of which more does than was paid and is not given
-- back are few, and found without looking at the others.
ALTER TABLE fee_order ADD COLUMN invoiced_fen INTEGER NOT NULL DEFAULT 0 CHECK (invoiced_fen >= 0);
UPDATE fee_order SET invoiced_fen = (
    SELECT coalesce(CAST(sum(amount_fen) AS INTEGER), 0) FROM invoice
    WHERE invoice.fee_order = fee_order.id AND (invoice.state = 'requested' OR invoice.state = 'issued')
);
CREATE INDEX fee_order_to_red_letter ON fee_order (id) WHERE invoiced_fen > received_fen - refunded_fen;
