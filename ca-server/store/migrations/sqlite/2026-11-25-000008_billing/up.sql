-- Orders with their charges, a book of double entries, and what two persons decide about money. Amounts in fen.
CREATE TEMPORARY TABLE former_order AS
    SELECT fee_order.id AS id, application.id AS application, application.kind AS kind, 'unit:' || application.unit AS payer, tariff, total_fen,
        application.entered_at AS quoted_at, payment.id AS payment, amount_fen AS paid_fen, receipt_no, method, cashier, payment.at AS paid_at,
        CASE
            WHEN payment.id IS NOT NULL THEN 'paid'
            WHEN application.state = 'submitted' OR application.state = 'rejected' THEN 'quoted'
            WHEN application.state = 'withdrawn' OR application.state = 'expired'
                OR application.state = 'done' THEN 'cancelled'
            WHEN total_fen = 0 THEN 'paid'
            ELSE 'due'
        END AS state,
        CASE WHEN application.state = 'delivered' OR application.state = 'active' THEN total_fen ELSE 0 END AS earned_fen
    FROM fee_order JOIN application ON application.id = fee_order.application
        LEFT JOIN payment ON payment.fee_order = fee_order.id;
DROP TABLE posting;
DROP TABLE payment;
DROP TABLE fee_order;

CREATE TABLE fee_order (
    id TEXT NOT NULL CONSTRAINT fee_order_id PRIMARY KEY,
    payer TEXT NOT NULL CHECK (payer LIKE 'unit:%' OR payer LIKE 'agent:%'),
    tariff TEXT NOT NULL,
    quoted_at INTEGER NOT NULL,
    honoured_until INTEGER NOT NULL,
    state TEXT NOT NULL,
    total_fen INTEGER NOT NULL CHECK (total_fen >= 0),
    waived_fen INTEGER NOT NULL CHECK (waived_fen >= 0),
    received_fen INTEGER NOT NULL CHECK (received_fen >= 0),
    refunded_fen INTEGER NOT NULL CHECK (refunded_fen >= 0 AND refunded_fen <= received_fen),
    CHECK (
        CASE state
            WHEN 'quoted' THEN received_fen = 0 AND waived_fen = 0
            WHEN 'due' THEN received_fen = 0 AND waived_fen < total_fen
            WHEN 'part-paid' THEN received_fen > 0 AND waived_fen + received_fen < total_fen AND refunded_fen = 0
            WHEN 'paid' THEN waived_fen + received_fen = total_fen AND (refunded_fen = 0 OR refunded_fen < received_fen)
            WHEN 'refunded' THEN waived_fen + received_fen = total_fen AND refunded_fen = received_fen AND received_fen > 0
            WHEN 'cancelled' THEN total_fen = 0 AND received_fen = 0 AND waived_fen = 0
            ELSE FALSE
        END
    )
) STRICT;
CREATE INDEX fee_order_by_payer ON fee_order (payer, id);
CREATE INDEX fee_order_open ON fee_order (state, id) WHERE state = 'due' OR state = 'part-paid';

-- What one application costs; live: it is still wanted.
CREATE TABLE charge (
    application TEXT NOT NULL CONSTRAINT charge_application PRIMARY KEY REFERENCES application (id),
    fee_order TEXT NOT NULL REFERENCES fee_order (id),
    kind TEXT NOT NULL,
    total_fen INTEGER NOT NULL CHECK (total_fen >= 0),
    waived_fen INTEGER NOT NULL CHECK (waived_fen >= 0),
    refunded_fen INTEGER NOT NULL CHECK (refunded_fen >= 0),
    earned_fen INTEGER NOT NULL CHECK (earned_fen >= 0),
    live INTEGER NOT NULL CHECK (live = 0 OR live = 1),
    CHECK (waived_fen + refunded_fen <= total_fen AND earned_fen + refunded_fen <= total_fen)
) STRICT;
CREATE INDEX charge_by_order ON charge (fee_order, application);

-- How the price of an application comes about.
CREATE TABLE charge_line (
    application TEXT NOT NULL REFERENCES charge (application),
    position INTEGER NOT NULL,
    item TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price_fen INTEGER NOT NULL CHECK (price_fen >= 0),
    note TEXT,
    CONSTRAINT charge_line_application_position PRIMARY KEY (application, position)
) STRICT;

-- reference: the number that the other side gave it, which counts once, for ever; code: opens the receipt's public page.
CREATE TABLE payment (
    id TEXT NOT NULL CONSTRAINT payment_id PRIMARY KEY,
    fee_order TEXT REFERENCES fee_order (id),
    payer TEXT CHECK (payer LIKE 'unit:%' OR payer LIKE 'agent:%'),
    method TEXT NOT NULL CHECK (method = 'cash' OR method = 'card' OR method = 'transfer' OR method = 'online'),
    reference TEXT NOT NULL,
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    cashier TEXT,
    counter TEXT,
    code TEXT NOT NULL CONSTRAINT payment_code UNIQUE,
    at INTEGER NOT NULL,
    CONSTRAINT payment_method_reference UNIQUE (method, reference),
    CHECK (fee_order IS NULL OR payer IS NOT NULL)
) STRICT;
CREATE INDEX payment_by_order ON payment (fee_order, id);
CREATE INDEX payment_by_time ON payment (at, id);

-- Double entry: one row names the account that gains and the account that gives, so it balances by construction.
CREATE TABLE posting (
    id INTEGER NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    cause TEXT NOT NULL,
    fee_order TEXT REFERENCES fee_order (id),
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    at INTEGER NOT NULL,
    CHECK (debit <> credit)
) STRICT;
CREATE INDEX posting_by_debit ON posting (debit, id);
CREATE INDEX posting_by_credit ON posting (credit, id);
CREATE INDEX posting_by_time ON posting (at, id);

-- What payers and orders have now, kept by the database itself with each posting: what is not there cannot be spent.
-- Accounts that everybody shares have no row: everybody would wait for it.
CREATE TABLE ledger_account (
    name TEXT NOT NULL CONSTRAINT ledger_account_name PRIMARY KEY,
    balance_fen INTEGER NOT NULL,
    CONSTRAINT ledger_account_balance_fen CHECK (balance_fen >= 0)
) STRICT;
CREATE TRIGGER posting_books AFTER INSERT ON posting
BEGIN
    INSERT INTO ledger_account (name, balance_fen)
        SELECT touched.name, 0 FROM (SELECT NEW.debit AS name UNION SELECT NEW.credit) AS touched
        WHERE (touched.name LIKE 'unit:%' OR touched.name LIKE 'agent:%' OR touched.name LIKE 'order:%')
            AND NOT EXISTS (SELECT 1 FROM ledger_account WHERE ledger_account.name = touched.name);
    UPDATE ledger_account SET balance_fen = balance_fen - NEW.amount_fen WHERE name = NEW.debit;
    UPDATE ledger_account SET balance_fen = balance_fen + NEW.amount_fen WHERE name = NEW.credit;
END;
CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting
BEGIN SELECT RAISE(ABORT, 'append-only: posting'); END;
CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting
BEGIN SELECT RAISE(ABORT, 'append-only: posting'); END;

-- A waiver or a refund: asked for by one person, decided by another.
CREATE TABLE adjustment (
    id TEXT NOT NULL CONSTRAINT adjustment_id PRIMARY KEY,
    kind TEXT NOT NULL,
    fee_order TEXT NOT NULL REFERENCES fee_order (id),
    application TEXT NOT NULL REFERENCES application (id),
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    into_credit INTEGER NOT NULL CHECK (into_credit = 0 OR into_credit = 1),
    keeps_certificate INTEGER NOT NULL CHECK (keeps_certificate = 0 OR keeps_certificate = 1),
    reason TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT,
    reasons TEXT,
    method TEXT,
    reference TEXT,
    CONSTRAINT adjustment_method_reference UNIQUE (method, reference),
    CHECK (decided_by IS NULL OR decided_by <> requested_by),
    CHECK (kind = 'refund' OR kind = 'waiver' AND into_credit = 0 AND keeps_certificate = 0),
    CHECK (
        CASE state
            WHEN 'requested' THEN coalesce(decided_by, reasons, method, reference) IS NULL
            WHEN 'withdrawn' THEN coalesce(decided_by, reasons, method, reference) IS NULL
            WHEN 'approved' THEN decided_by IS NOT NULL AND coalesce(reasons, method, reference) IS NULL
            WHEN 'rejected' THEN decided_by IS NOT NULL AND reasons IS NOT NULL AND coalesce(method, reference) IS NULL
            WHEN 'paid-out' THEN decided_by IS NOT NULL AND method IS NOT NULL AND reference IS NOT NULL AND reasons IS NULL
                AND kind = 'refund' AND into_credit = 0
            ELSE FALSE
        END
    )
) STRICT;
CREATE INDEX adjustment_by_state ON adjustment (state, id);
CREATE INDEX adjustment_by_order ON adjustment (fee_order, id);

-- What was there: each order with its one application, each payment through its payer's account. A payment of another
-- amount than its order has no state: the migration fails, for a person to look.
INSERT INTO fee_order (id, payer, tariff, quoted_at, honoured_until, state, total_fen, waived_fen, received_fen, refunded_fen)
    SELECT id, payer, tariff, quoted_at, quoted_at + 5184000000, state, CASE state WHEN 'cancelled' THEN 0 ELSE total_fen END, 0,
        CASE WHEN payment IS NULL THEN 0 ELSE paid_fen END, 0
    FROM former_order;
INSERT INTO charge (application, fee_order, kind, total_fen, waived_fen, refunded_fen, earned_fen, live)
    SELECT application, id, kind, total_fen, 0, 0, earned_fen, CASE state WHEN 'cancelled' THEN 0 ELSE 1 END FROM former_order;
INSERT INTO charge_line (application, position, item, quantity, price_fen)
    SELECT application, 0, 'service', 1, total_fen FROM former_order WHERE total_fen > 0;
INSERT INTO payment (id, fee_order, payer, method, reference, amount_fen, cashier, code, at)
    SELECT payment, id, payer, method, receipt_no, paid_fen, cashier, lower(hex(randomblob(16))), paid_at FROM former_order WHERE payment IS NOT NULL;
INSERT INTO posting (reason, cause, fee_order, debit, credit, amount_fen, at)
    SELECT 'payment', payment, id, method, payer, paid_fen, paid_at FROM former_order WHERE payment IS NOT NULL ORDER BY payment;
INSERT INTO posting (reason, cause, fee_order, debit, credit, amount_fen, at)
    SELECT 'payment', payment, id, payer, 'order:' || id, paid_fen, paid_at FROM former_order WHERE payment IS NOT NULL ORDER BY payment;
INSERT INTO posting (reason, cause, fee_order, debit, credit, amount_fen, at)
    SELECT 'delivery', application, id, 'order:' || id, 'revenue:' || kind, total_fen, paid_at FROM former_order
    WHERE payment IS NOT NULL AND earned_fen > 0 ORDER BY payment;
DROP TABLE former_order;
