-- COLLATE "C": text in the order of its octets, as SQLite has it, and untouched by upgrades of the C library.

-- Units, agents and their training (step 1).
CREATE TABLE unit (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT unit_id PRIMARY KEY,
    uscc TEXT COLLATE "C" NOT NULL CONSTRAINT unit_uscc UNIQUE CHECK (length(uscc) = 18),
    labour_no TEXT COLLATE "C" NOT NULL CONSTRAINT unit_labour_no UNIQUE CHECK (length(labour_no) = 8),
    name TEXT COLLATE "C" NOT NULL,
    province TEXT COLLATE "C" NOT NULL,
    city TEXT COLLATE "C" NOT NULL,
    registered_by TEXT COLLATE "C" NOT NULL,
    registered_at BIGINT NOT NULL
);

CREATE TABLE agent (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT agent_id PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    id_card TEXT COLLATE "C" NOT NULL CONSTRAINT agent_id_card UNIQUE CHECK (length(id_card) = 18),
    qualified_at BIGINT
);

CREATE TABLE agent_unit (
    agent TEXT COLLATE "C" NOT NULL REFERENCES agent (id),
    unit TEXT COLLATE "C" NOT NULL REFERENCES unit (id),
    confirmed_at BIGINT NOT NULL,
    confirmed_by TEXT COLLATE "C" NOT NULL,
    CONSTRAINT agent_unit_agent_unit PRIMARY KEY (agent, unit)
);

-- roles: a JSON array of names of policies/roles.toml; certificate: serial number, hexadecimal.
CREATE TABLE staff (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT staff_id PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    roles TEXT COLLATE "C" NOT NULL,
    certificate TEXT COLLATE "C" NOT NULL CONSTRAINT staff_certificate UNIQUE
);

-- Applications (steps 2 and 3). The columns after state are what the state knows, and nothing else. CASE, not IN:
-- SQLite builds a temporary table for a list of constants at every run of the check.
CREATE TABLE application (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT application_id PRIMARY KEY,
    unit TEXT COLLATE "C" NOT NULL REFERENCES unit (id),
    agent TEXT COLLATE "C" NOT NULL REFERENCES agent (id),
    profile TEXT COLLATE "C" NOT NULL,
    years INTEGER NOT NULL CHECK (years > 0),
    entered_by TEXT COLLATE "C" NOT NULL,
    entered_at BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    decided_by TEXT COLLATE "C",
    reasons TEXT COLLATE "C",
    payment TEXT COLLATE "C",
    attempt TEXT COLLATE "C",
    serial BYTEA,
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
);
CREATE INDEX application_by_state ON application (state, id);
CREATE INDEX application_by_unit ON application (unit, id);

CREATE TABLE application_document (
    application TEXT COLLATE "C" NOT NULL REFERENCES application (id),
    position INTEGER NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    sha256 BYTEA NOT NULL CHECK (length(sha256) = 32),
    seen_by TEXT COLLATE "C" NOT NULL,
    CONSTRAINT application_document_application_position PRIMARY KEY (application, position)
);

-- Money (step 4), in fen.
CREATE TABLE fee_order (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT fee_order_id PRIMARY KEY,
    application TEXT COLLATE "C" NOT NULL CONSTRAINT fee_order_application UNIQUE REFERENCES application (id),
    tariff TEXT COLLATE "C" NOT NULL,
    total_fen BIGINT NOT NULL CHECK (total_fen >= 0)
);

CREATE TABLE payment (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT payment_id PRIMARY KEY,
    fee_order TEXT COLLATE "C" NOT NULL CONSTRAINT payment_fee_order UNIQUE REFERENCES fee_order (id),
    receipt_no TEXT COLLATE "C" NOT NULL CONSTRAINT payment_receipt_no UNIQUE,
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    method TEXT COLLATE "C" NOT NULL CHECK (method IN ('cash', 'card', 'transfer')),
    cashier TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);

-- Double entry: one row names the account that gains and the account that gives, so it balances by construction.
CREATE TABLE posting (
    id BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    payment TEXT COLLATE "C" NOT NULL REFERENCES payment (id),
    debit TEXT COLLATE "C" NOT NULL,
    credit TEXT COLLATE "C" NOT NULL,
    amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
    at BIGINT NOT NULL,
    CHECK (debit <> credit),
    CONSTRAINT posting_id PRIMARY KEY (id)
);
CREATE INDEX posting_by_payment ON posting (payment);

-- Personalisation (steps 5 to 8). One attempt holds an application until it is abandoned, and a workstation until it
-- is finished: columns of their own and not partial indexes, which SQLite would write anew at every change of state.
CREATE TABLE attempt (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT attempt_id PRIMARY KEY,
    application TEXT COLLATE "C" NOT NULL REFERENCES application (id),
    workstation TEXT COLLATE "C" NOT NULL,
    clerk TEXT COLLATE "C" NOT NULL,
    wanted_token TEXT COLLATE "C",
    state TEXT COLLATE "C" NOT NULL,
    token TEXT COLLATE "C",
    serial BYTEA,
    reason TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    note TEXT COLLATE "C" NOT NULL,
    held_application TEXT COLLATE "C" CONSTRAINT attempt_held_application UNIQUE,
    held_workstation TEXT COLLATE "C" CONSTRAINT attempt_held_workstation UNIQUE,
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
);
CREATE INDEX attempt_by_wanted_token ON attempt (wanted_token);
CREATE INDEX attempt_by_token ON attempt (token);

-- One public key belongs to one token and one unit for ever (I8). unit is NULL for the keys of the CA itself.
CREATE TABLE public_key (
    spki_sha256 BYTEA NOT NULL CONSTRAINT public_key_spki_sha256 PRIMARY KEY CHECK (length(spki_sha256) = 32),
    unit TEXT COLLATE "C" REFERENCES unit (id),
    token TEXT COLLATE "C",
    attempt TEXT COLLATE "C" REFERENCES attempt (id),
    bound_at BIGINT NOT NULL
);

-- Issuing (step 6). An intent is written before its signature and never changed.
CREATE TABLE intent (
    serial BYTEA NOT NULL CONSTRAINT intent_serial PRIMARY KEY CHECK (length(serial) BETWEEN 1 AND 20),
    issuer TEXT COLLATE "C" NOT NULL,
    profile TEXT COLLATE "C" NOT NULL,
    profile_sha256 BYTEA NOT NULL CHECK (length(profile_sha256) = 32),
    tbs BYTEA NOT NULL,
    spki_sha256 BYTEA NOT NULL REFERENCES public_key (spki_sha256),
    unit TEXT COLLATE "C" REFERENCES unit (id),
    application TEXT COLLATE "C" REFERENCES application (id),
    attempt TEXT COLLATE "C" CONSTRAINT intent_attempt UNIQUE REFERENCES attempt (id),
    token TEXT COLLATE "C",
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    shard INTEGER NOT NULL CHECK (shard BETWEEN 0 AND 65535),
    actor TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX intent_by_time ON intent (at);

-- Intents whose signature has no known outcome: commit_issued and burn each take the row, so that only one can (I3).
CREATE TABLE open_intent (
    serial BYTEA NOT NULL CONSTRAINT open_intent_serial PRIMARY KEY REFERENCES intent (serial)
);

CREATE TABLE certificate (
    serial BYTEA NOT NULL CONSTRAINT certificate_serial PRIMARY KEY REFERENCES intent (serial),
    der BYTEA NOT NULL,
    sha256 BYTEA NOT NULL CHECK (length(sha256) = 32),
    issuer TEXT COLLATE "C" NOT NULL,
    profile TEXT COLLATE "C" NOT NULL,
    unit TEXT COLLATE "C",
    application TEXT COLLATE "C",
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    shard INTEGER NOT NULL,
    issued_at BIGINT NOT NULL
);
CREATE INDEX certificate_by_unit ON certificate (unit, issued_at);
CREATE INDEX certificate_by_application ON certificate (application, issued_at);

-- Status (step 9). activated: whether a certificate on hold had been activated before.
CREATE TABLE status (
    serial BYTEA NOT NULL CONSTRAINT status_serial PRIMARY KEY REFERENCES intent (serial),
    issuer TEXT COLLATE "C" NOT NULL,
    shard INTEGER NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    activated SMALLINT,
    reason TEXT COLLATE "C",
    revoked_at BIGINT,
    not_after BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
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
);
-- What a CRL lists, so that its cost follows the number of entries and not of certificates.
CREATE INDEX status_listed ON status (issuer, shard, not_after) WHERE state <> 'good';

-- One number that moves with every change of status.
CREATE TABLE status_epoch (
    id INTEGER NOT NULL CONSTRAINT status_epoch_id PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL
);
INSERT INTO status_epoch (id, epoch) VALUES (1, 0);

CREATE TABLE crl_number (
    issuer TEXT COLLATE "C" NOT NULL,
    shard INTEGER NOT NULL,
    number BIGINT NOT NULL,
    CONSTRAINT crl_number_issuer_shard PRIMARY KEY (issuer, shard)
);

CREATE TABLE crl (
    issuer TEXT COLLATE "C" NOT NULL,
    shard INTEGER NOT NULL,
    number BIGINT NOT NULL,
    this_update BIGINT NOT NULL,
    next_update BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    der BYTEA NOT NULL,
    CONSTRAINT crl_issuer_shard_number PRIMARY KEY (issuer, shard, number)
);

-- Work of one instance at a time. The fence rises whenever another holder takes over.
CREATE TABLE lease (
    name TEXT COLLATE "C" NOT NULL CONSTRAINT lease_name PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    fence BIGINT NOT NULL,
    until BIGINT NOT NULL
);

-- The log (I4). rule is NULL for what was done and names the rule for what was refused.
CREATE TABLE audit (
    id BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    at BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    object TEXT COLLATE "C" NOT NULL,
    object_id TEXT COLLATE "C" NOT NULL,
    rule TEXT COLLATE "C",
    detail TEXT COLLATE "C" NOT NULL,
    CONSTRAINT audit_id PRIMARY KEY (id)
);
CREATE INDEX audit_by_object ON audit (object_id, id);

CREATE TABLE idempotency (
    actor TEXT COLLATE "C" NOT NULL,
    request_key TEXT COLLATE "C" NOT NULL,
    request_sha256 BYTEA NOT NULL CHECK (length(request_sha256) = 32),
    resource TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    CONSTRAINT idempotency_actor_request_key PRIMARY KEY (actor, request_key)
);

-- Messages to be sent: what to say to whom, never the secret that the message carries.
CREATE TABLE notice (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT notice_id PRIMARY KEY,
    recipient TEXT COLLATE "C" NOT NULL,
    template TEXT COLLATE "C" NOT NULL,
    application TEXT COLLATE "C" REFERENCES application (id),
    created_at BIGINT NOT NULL,
    sent_at BIGINT
);
CREATE INDEX notice_pending ON notice (created_at, id) WHERE sent_at IS NULL;

CREATE TABLE ca_certificate (
    name TEXT COLLATE "C" NOT NULL CONSTRAINT ca_certificate_name PRIMARY KEY,
    der BYTEA NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE setting (
    name TEXT COLLATE "C" NOT NULL CONSTRAINT setting_name PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

-- What is written once stays.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'append-only: %', TG_TABLE_NAME; END $$;
CREATE TRIGGER intent_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON intent
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER certificate_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON certificate
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER posting_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER crl_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON crl
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
