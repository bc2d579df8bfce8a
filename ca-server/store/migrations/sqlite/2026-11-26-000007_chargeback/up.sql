-- Payments that a bank or a gateway took back after it had paid. settlement: the payment by which the money came again.
CREATE TABLE chargeback (
    id TEXT NOT NULL CONSTRAINT chargeback_id PRIMARY KEY,
    payment TEXT NOT NULL CONSTRAINT chargeback_payment UNIQUE REFERENCES payment (id),
    fee_order TEXT NOT NULL REFERENCES fee_order (id),
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    reference TEXT NOT NULL CONSTRAINT chargeback_reference UNIQUE,
    recorded_by TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    held_at INTEGER,
    settlement TEXT CONSTRAINT chargeback_settlement UNIQUE REFERENCES payment (id),
    CHECK (
        CASE state
            WHEN 'open' THEN held_at IS NULL AND settlement IS NULL
            WHEN 'held' THEN held_at IS NOT NULL AND settlement IS NULL
            WHEN 'settled' THEN settlement IS NOT NULL
            ELSE FALSE
        END
    )
) STRICT;
CREATE INDEX chargeback_by_state ON chargeback (state, id);
CREATE INDEX chargeback_by_order ON chargeback (fee_order, id);
