-- A counter's day that was closed, and whether it is open again. counted: what people counted, as JSON.
CREATE TABLE shift (
    counter TEXT NOT NULL,
    day TEXT NOT NULL,
    state TEXT NOT NULL,
    counted TEXT NOT NULL,
    closed_by TEXT NOT NULL,
    closed_at INTEGER NOT NULL,
    requested_by TEXT,
    reason TEXT,
    decided_by TEXT,
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
) STRICT;
CREATE INDEX shift_by_day ON shift (day, counter);

-- Refunds that were paid out of a counter's till.
CREATE TABLE pay_out (
    adjustment TEXT NOT NULL CONSTRAINT pay_out_adjustment PRIMARY KEY REFERENCES adjustment (id),
    counter TEXT NOT NULL,
    method TEXT NOT NULL,
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX pay_out_by_counter ON pay_out (counter, at);

-- What is looked up by day.
CREATE INDEX payment_by_counter ON payment (counter, at);
CREATE INDEX certificate_by_time ON certificate (issued_at, serial);
CREATE INDEX audit_of_certificates ON audit (at) WHERE action = 'issue-certificate' OR action = 'deliver-token';
