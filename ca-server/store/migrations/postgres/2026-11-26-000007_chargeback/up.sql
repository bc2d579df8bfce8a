-- Payments that a bank or a gateway took back after it had paid. settlement: the payment by which the money came again.
CREATE TABLE chargeback (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT chargeback_id PRIMARY KEY,
    payment TEXT COLLATE "C" NOT NULL CONSTRAINT chargeback_payment UNIQUE REFERENCES payment (id),
    fee_order TEXT COLLATE "C" NOT NULL REFERENCES fee_order (id),
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    reference TEXT COLLATE "C" NOT NULL CONSTRAINT chargeback_reference UNIQUE,
    recorded_by TEXT COLLATE "C" NOT NULL,
    recorded_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    held_at BIGINT,
    settlement TEXT COLLATE "C" CONSTRAINT chargeback_settlement UNIQUE REFERENCES payment (id),
    CHECK (
        CASE state
            WHEN 'open' THEN held_at IS NULL AND settlement IS NULL
            WHEN 'held' THEN held_at IS NOT NULL AND settlement IS NULL
            WHEN 'settled' THEN settlement IS NOT NULL
            ELSE FALSE
        END
    )
);
CREATE INDEX chargeback_by_state ON chargeback (state, id);
CREATE INDEX chargeback_by_order ON chargeback (fee_order, id);
