-- Online payments at a gateway. code: opens the receipt's public page when it is paid; transaction_no: the gateway's own.
-- told_at: when the gateway was told of it last.
CREATE TABLE online_payment (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT online_payment_id PRIMARY KEY,
    fee_order TEXT COLLATE "C" NOT NULL REFERENCES fee_order (id),
    gateway TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    nonce TEXT COLLATE "C" NOT NULL CONSTRAINT online_payment_nonce UNIQUE,
    code TEXT COLLATE "C" NOT NULL CONSTRAINT online_payment_code UNIQUE,
    description TEXT COLLATE "C" NOT NULL,
    opened_by TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    told_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C",
    transaction_no TEXT COLLATE "C",
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
);
-- One at a time of each order, so that two people do not pay it twice.
CREATE UNIQUE INDEX online_payment_fee_order ON online_payment (fee_order) WHERE state = 'created' OR state = 'offered';
CREATE INDEX online_payment_by_order ON online_payment (fee_order, id);
CREATE INDEX online_payment_by_state ON online_payment (state, id);
