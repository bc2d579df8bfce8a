-- Online payments at a gateway. code: opens the receipt's public page when it is paid; transaction_no: the gateway's own.
-- told_at: when the gateway was told of it last.
CREATE TABLE online_payment (
    id TEXT NOT NULL CONSTRAINT online_payment_id PRIMARY KEY,
    fee_order TEXT NOT NULL REFERENCES fee_order (id),
    gateway TEXT NOT NULL,
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    nonce TEXT NOT NULL CONSTRAINT online_payment_nonce UNIQUE,
    code TEXT NOT NULL CONSTRAINT online_payment_code UNIQUE,
    description TEXT NOT NULL,
    opened_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    told_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    url TEXT,
    transaction_no TEXT,
    CONSTRAINT online_payment_gateway_transaction_no UNIQUE (gateway, transaction_no),
    CHECK (
        CASE state
            WHEN 'created' THEN url IS NULL AND transaction_no IS NULL
            WHEN 'offered' THEN url IS NOT NULL AND transaction_no IS NULL
            WHEN 'paid' THEN transaction_no IS NOT NULL AND url IS NULL
            WHEN 'closed' THEN url IS NULL AND transaction_no IS NULL
            WHEN 'expired' THEN url IS NULL AND transaction_no IS NULL
            ELSE FALSE
        END
    )
) STRICT;
-- One at a time of each order, so that two people do not pay it twice.
CREATE UNIQUE INDEX online_payment_fee_order ON online_payment (fee_order) WHERE state = 'created' OR state = 'offered';
CREATE INDEX online_payment_by_order ON online_payment (fee_order, id);
CREATE INDEX online_payment_by_state ON online_payment (state, id);
