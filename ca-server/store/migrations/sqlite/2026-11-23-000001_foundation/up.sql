-- Units, agents and their training (step 1).
CREATE TABLE unit (
    id TEXT NOT NULL CONSTRAINT unit_id PRIMARY KEY,
    uscc TEXT NOT NULL CONSTRAINT unit_uscc UNIQUE CHECK (length(uscc) = 18),
    labour_no TEXT NOT NULL CONSTRAINT unit_labour_no UNIQUE CHECK (length(labour_no) = 8),
    name TEXT NOT NULL,
    province TEXT NOT NULL,
    city TEXT NOT NULL,
    registered_by TEXT NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT;

CREATE TABLE agent (
    id TEXT NOT NULL CONSTRAINT agent_id PRIMARY KEY,
    name TEXT NOT NULL,
    id_card TEXT NOT NULL CONSTRAINT agent_id_card UNIQUE CHECK (length(id_card) = 18),
    qualified_at INTEGER
) STRICT;

CREATE TABLE agent_unit (
    agent TEXT NOT NULL REFERENCES agent (id),
    unit TEXT NOT NULL REFERENCES unit (id),
    confirmed_at INTEGER NOT NULL,
    confirmed_by TEXT NOT NULL,
    CONSTRAINT agent_unit_agent_unit PRIMARY KEY (agent, unit)
) STRICT;

-- roles: a JSON array of names of policies/roles.toml; certificate: serial number, hexadecimal.
CREATE TABLE staff (
    id TEXT NOT NULL CONSTRAINT staff_id PRIMARY KEY,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    certificate TEXT NOT NULL CONSTRAINT staff_certificate UNIQUE
) STRICT;

-- Applications (steps 2 and 3). The columns after state are what the state knows, and nothing else. CASE, not IN:
-- SQLite builds a temporary table for a list of constants at every run of the check.
CREATE TABLE application (
    id TEXT NOT NULL CONSTRAINT application_id PRIMARY KEY,
    unit TEXT NOT NULL REFERENCES unit (id),
    agent TEXT NOT NULL REFERENCES agent (id),
    profile TEXT NOT NULL,
    years INTEGER NOT NULL CHECK (years > 0),
    entered_by TEXT NOT NULL,
    entered_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    decided_by TEXT,
    reasons TEXT,
    payment TEXT,
    attempt TEXT,
    serial BLOB,
    CHECK (
        CASE state
            WHEN 'submitted' THEN coalesce(decided_by, reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'approved' THEN decided_by IS NOT NULL AND coalesce(reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'rejected' THEN decided_by IS NOT NULL AND reasons IS NOT NULL AND coalesce(payment, attempt) IS NULL
                AND serial IS NULL
            WHEN 'withdrawn' THEN coalesce(decided_by, reasons, payment, attempt) IS NULL AND serial IS NULL
            WHEN 'paid' THEN payment IS NOT NULL AND coalesce(decided_by, reasons, attempt) IS NULL AND serial IS NULL
            WHEN 'personalising' THEN payment IS NOT NULL AND attempt IS NOT NULL
                AND coalesce(decided_by, reasons) IS NULL AND serial IS NULL
            WHEN 'issued' THEN payment IS NOT NULL AND attempt IS NOT NULL AND serial IS NOT NULL
                AND coalesce(decided_by, reasons) IS NULL
            WHEN 'delivered' THEN serial IS NOT NULL AND coalesce(decided_by, reasons, payment, attempt) IS NULL
            WHEN 'active' THEN serial IS NOT NULL AND coalesce(decided_by, reasons, payment, attempt) IS NULL
            ELSE FALSE
        END
    )
) STRICT;
CREATE INDEX application_by_state ON application (state, id);
CREATE INDEX application_by_unit ON application (unit, id);

CREATE TABLE application_document (
    application TEXT NOT NULL REFERENCES application (id),
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    seen_by TEXT NOT NULL,
    CONSTRAINT application_document_application_position PRIMARY KEY (application, position)
) STRICT;

-- Money (step 4), in fen.
CREATE TABLE fee_order (
    id TEXT NOT NULL CONSTRAINT fee_order_id PRIMARY KEY,
    application TEXT NOT NULL CONSTRAINT fee_order_application UNIQUE REFERENCES application (id),
    tariff TEXT NOT NULL,
    total_fen INTEGER NOT NULL CHECK (total_fen >= 0)
) STRICT;

CREATE TABLE payment (
    id TEXT NOT NULL CONSTRAINT payment_id PRIMARY KEY,
    fee_order TEXT NOT NULL CONSTRAINT payment_fee_order UNIQUE REFERENCES fee_order (id),
    receipt_no TEXT NOT NULL CONSTRAINT payment_receipt_no UNIQUE,
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    method TEXT NOT NULL CHECK (method IN ('cash', 'card', 'transfer')),
    cashier TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- Double entry: one row names the account that gains and the account that gives, so it balances by construction.
CREATE TABLE posting (
    id INTEGER NOT NULL PRIMARY KEY,
    payment TEXT NOT NULL REFERENCES payment (id),
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount_fen INTEGER NOT NULL CHECK (amount_fen > 0),
    at INTEGER NOT NULL,
    CHECK (debit <> credit)
) STRICT;
CREATE INDEX posting_by_payment ON posting (payment);

-- Personalisation (steps 5 to 8). One attempt holds an application until it is abandoned, and a workstation until it
-- is finished: columns of their own and not partial indexes, which SQLite would write anew at every change of state.
CREATE TABLE attempt (
    id TEXT NOT NULL CONSTRAINT attempt_id PRIMARY KEY,
    application TEXT NOT NULL REFERENCES application (id),
    workstation TEXT NOT NULL,
    clerk TEXT NOT NULL,
    wanted_token TEXT,
    state TEXT NOT NULL,
    token TEXT,
    serial BLOB,
    reason TEXT,
    created_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    note TEXT NOT NULL,
    held_application TEXT CONSTRAINT attempt_held_application UNIQUE,
    held_workstation TEXT CONSTRAINT attempt_held_workstation UNIQUE,
    CHECK (
        CASE state
            WHEN 'delivered' THEN held_application = application AND held_workstation IS NULL
            WHEN 'abandoned' THEN held_application IS NULL AND held_workstation IS NULL
            ELSE held_application = application AND held_workstation = workstation
        END
    ),
    CHECK (held_application IS NOT NULL OR state = 'abandoned'),
    CHECK (held_workstation IS NOT NULL OR state = 'abandoned' OR state = 'delivered'),
    CHECK (
        CASE state
            WHEN 'claimed' THEN token IS NULL AND serial IS NULL AND reason IS NULL
            WHEN 'bound' THEN token IS NOT NULL AND serial IS NULL AND reason IS NULL
            WHEN 'initialised' THEN token IS NOT NULL AND serial IS NULL AND reason IS NULL
            WHEN 'intended' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'signed' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'written' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'proved' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'delivered' THEN token IS NOT NULL AND serial IS NOT NULL AND reason IS NULL
            WHEN 'abandoned' THEN token IS NULL AND serial IS NULL AND reason IS NOT NULL
            ELSE FALSE
        END
    )
) STRICT;
CREATE INDEX attempt_by_wanted_token ON attempt (wanted_token);
CREATE INDEX attempt_by_token ON attempt (token);

-- One public key belongs to one token and one unit for ever (I8). unit is NULL for the keys of the CA itself.
CREATE TABLE public_key (
    spki_sha256 BLOB NOT NULL CONSTRAINT public_key_spki_sha256 PRIMARY KEY CHECK (length(spki_sha256) = 32),
    unit TEXT REFERENCES unit (id),
    token TEXT,
    attempt TEXT REFERENCES attempt (id),
    bound_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Issuing (step 6). An intent is written before its signature and never changed.
CREATE TABLE intent (
    serial BLOB NOT NULL CONSTRAINT intent_serial PRIMARY KEY CHECK (length(serial) BETWEEN 1 AND 20),
    issuer TEXT NOT NULL,
    profile TEXT NOT NULL,
    profile_sha256 BLOB NOT NULL CHECK (length(profile_sha256) = 32),
    tbs BLOB NOT NULL,
    spki_sha256 BLOB NOT NULL REFERENCES public_key (spki_sha256),
    unit TEXT REFERENCES unit (id),
    application TEXT REFERENCES application (id),
    attempt TEXT CONSTRAINT intent_attempt UNIQUE REFERENCES attempt (id),
    token TEXT,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    shard INTEGER NOT NULL CHECK (shard BETWEEN 0 AND 65535),
    actor TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX intent_by_time ON intent (at);

-- Intents whose signature has no known outcome: commit_issued and burn each take the row, so that only one can (I3).
CREATE TABLE open_intent (
    serial BLOB NOT NULL CONSTRAINT open_intent_serial PRIMARY KEY REFERENCES intent (serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE certificate (
    serial BLOB NOT NULL CONSTRAINT certificate_serial PRIMARY KEY REFERENCES intent (serial),
    der BLOB NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    issuer TEXT NOT NULL,
    profile TEXT NOT NULL,
    unit TEXT,
    application TEXT,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    issued_at INTEGER NOT NULL
) STRICT;
CREATE INDEX certificate_by_unit ON certificate (unit, issued_at);
CREATE INDEX certificate_by_application ON certificate (application, issued_at);

-- Status (step 9). activated: whether a certificate on hold had been activated before.
CREATE TABLE status (
    serial BLOB NOT NULL CONSTRAINT status_serial PRIMARY KEY REFERENCES intent (serial),
    issuer TEXT NOT NULL,
    shard INTEGER NOT NULL,
    state TEXT NOT NULL,
    activated INTEGER,
    reason TEXT,
    revoked_at INTEGER,
    not_after INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    CHECK (
        CASE state
            WHEN 'not-activated' THEN activated IS NULL AND reason IS NULL AND revoked_at IS NULL
            WHEN 'good' THEN activated IS NULL AND reason IS NULL AND revoked_at IS NULL
            WHEN 'held' THEN activated IS NOT NULL AND reason IS NULL AND revoked_at IS NULL
            WHEN 'revoked' THEN activated IS NULL AND reason IS NOT NULL AND revoked_at IS NOT NULL
            WHEN 'burned' THEN activated IS NULL AND reason IS NULL AND revoked_at IS NULL
            ELSE FALSE
        END
    ),
    CHECK (activated = 0 OR activated = 1),
    CHECK (
        CASE reason
            WHEN 'unspecified' THEN TRUE
            WHEN 'keyCompromise' THEN TRUE
            WHEN 'cACompromise' THEN TRUE
            WHEN 'affiliationChanged' THEN TRUE
            WHEN 'superseded' THEN TRUE
            WHEN 'cessationOfOperation' THEN TRUE
            WHEN 'privilegeWithdrawn' THEN TRUE
            ELSE reason IS NULL
        END
    )
) STRICT, WITHOUT ROWID;
-- What a CRL lists, so that its cost follows the number of entries and not of certificates.
CREATE INDEX status_listed ON status (issuer, shard, not_after) WHERE state <> 'good';

-- One number that moves with every change of status.
CREATE TABLE status_epoch (
    id INTEGER NOT NULL CONSTRAINT status_epoch_id PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO status_epoch (id, epoch) VALUES (1, 0);

CREATE TABLE crl_number (
    issuer TEXT NOT NULL,
    shard INTEGER NOT NULL,
    number INTEGER NOT NULL,
    CONSTRAINT crl_number_issuer_shard PRIMARY KEY (issuer, shard)
) STRICT;

CREATE TABLE crl (
    issuer TEXT NOT NULL,
    shard INTEGER NOT NULL,
    number INTEGER NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    der BLOB NOT NULL,
    CONSTRAINT crl_issuer_shard_number PRIMARY KEY (issuer, shard, number)
) STRICT;

-- Work of one instance at a time. The fence rises whenever another holder takes over.
CREATE TABLE lease (
    name TEXT NOT NULL CONSTRAINT lease_name PRIMARY KEY,
    holder TEXT NOT NULL,
    fence INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT;

-- The log (I4). rule is NULL for what was done and names the rule for what was refused.
CREATE TABLE audit (
    id INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    object_id TEXT NOT NULL,
    rule TEXT,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_object ON audit (object_id, id);

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    request_key TEXT NOT NULL,
    request_sha256 BLOB NOT NULL CHECK (length(request_sha256) = 32),
    resource TEXT NOT NULL,
    at INTEGER NOT NULL,
    CONSTRAINT idempotency_actor_request_key PRIMARY KEY (actor, request_key)
) STRICT;

-- Messages to be sent: what to say to whom, never the secret that the message carries.
CREATE TABLE notice (
    id TEXT NOT NULL CONSTRAINT notice_id PRIMARY KEY,
    recipient TEXT NOT NULL,
    template TEXT NOT NULL,
    application TEXT REFERENCES application (id),
    created_at INTEGER NOT NULL,
    sent_at INTEGER
) STRICT;
CREATE INDEX notice_pending ON notice (created_at, id) WHERE sent_at IS NULL;

CREATE TABLE ca_certificate (
    name TEXT NOT NULL CONSTRAINT ca_certificate_name PRIMARY KEY,
    der BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE TABLE setting (
    name TEXT NOT NULL CONSTRAINT setting_name PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- What is written once stays.
CREATE TRIGGER intent_no_update BEFORE UPDATE ON intent
BEGIN SELECT RAISE(ABORT, 'append-only: intent'); END;
CREATE TRIGGER intent_no_delete BEFORE DELETE ON intent
BEGIN SELECT RAISE(ABORT, 'append-only: intent'); END;
CREATE TRIGGER certificate_no_update BEFORE UPDATE ON certificate
BEGIN SELECT RAISE(ABORT, 'append-only: certificate'); END;
CREATE TRIGGER certificate_no_delete BEFORE DELETE ON certificate
BEGIN SELECT RAISE(ABORT, 'append-only: certificate'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'append-only: audit'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'append-only: audit'); END;
CREATE TRIGGER posting_no_update BEFORE UPDATE ON posting
BEGIN SELECT RAISE(ABORT, 'append-only: posting'); END;
CREATE TRIGGER posting_no_delete BEFORE DELETE ON posting
BEGIN SELECT RAISE(ABORT, 'append-only: posting'); END;
CREATE TRIGGER crl_no_update BEFORE UPDATE ON crl
BEGIN SELECT RAISE(ABORT, 'append-only: crl'); END;
CREATE TRIGGER crl_no_delete BEFORE DELETE ON crl
BEGIN SELECT RAISE(ABORT, 'append-only: crl'); END;
