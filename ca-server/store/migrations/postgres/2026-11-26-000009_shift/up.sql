-- A counter's day that was closed, and whether it is open again. counted: what people counted, as JSON.
CREATE TABLE shift (
    counter TEXT COLLATE "C" NOT NULL,
    day TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    counted TEXT COLLATE "C" NOT NULL,
    closed_by TEXT COLLATE "C" NOT NULL,
    closed_at BIGINT NOT NULL,
    requested_by TEXT COLLATE "C",
    reason TEXT COLLATE "C",
    decided_by TEXT COLLATE "C",
    CONSTRAINT shift_counter_day PRIMARY KEY (counter, day),
    CHECK (decided_by IS NULL OR decided_by <> requested_by),
    CHECK (
        CASE state
            WHEN 'closed' THEN coalesce(requested_by, reason, decided_by) IS NULL
            WHEN 'reopen-requested' THEN requested_by IS NOT NULL AND reason IS NOT NULL AND decided_by IS NULL
            WHEN 'reopened' THEN requested_by IS NOT NULL AND reason IS NOT NULL AND decided_by IS NOT NULL
            ELSE FALSE
        END
    )
);
CREATE INDEX shift_by_day ON shift (day, counter);

-- Refunds that were paid out of a counter's till.
CREATE TABLE pay_out (
    adjustment TEXT COLLATE "C" NOT NULL CONSTRAINT pay_out_adjustment PRIMARY KEY REFERENCES adjustment (id),
    counter TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    at BIGINT NOT NULL
);
CREATE INDEX pay_out_by_counter ON pay_out (counter, at);

-- What is looked up by day.
CREATE INDEX payment_by_counter ON payment (counter, at);
CREATE INDEX certificate_by_time ON certificate (issued_at, serial);
CREATE INDEX audit_of_certificates ON audit (at) WHERE action = 'issue-certificate' OR action = 'deliver-token';
