-- What a vendor delivered, by the file that lists it.
CREATE TABLE token_delivery (
    id TEXT COLLATE "C" NOT NULL CONSTRAINT token_delivery_id PRIMARY KEY,
    sha256 BYTEA NOT NULL CONSTRAINT token_delivery_sha256 UNIQUE CHECK (length(sha256) = 32),
    imported_by TEXT COLLATE "C" NOT NULL,
    imported_at BIGINT NOT NULL,
    tokens BIGINT NOT NULL CHECK (tokens > 0)
);

-- Every token of ours, by its own serial number. place: the box or counter where it is, or was last.
CREATE TABLE token (
    serial TEXT COLLATE "C" NOT NULL CONSTRAINT token_serial PRIMARY KEY,
    model TEXT COLLATE "C" NOT NULL,
    batch TEXT COLLATE "C" NOT NULL,
    delivery TEXT COLLATE "C" REFERENCES token_delivery (id),
    place_kind TEXT COLLATE "C" NOT NULL CHECK (place_kind = 'box' OR place_kind = 'counter'),
    place TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    attempt TEXT COLLATE "C" REFERENCES attempt (id),
    certificate BYTEA,
    moved_at BIGINT NOT NULL,
    CHECK (
        CASE state
            WHEN 'blank' THEN attempt IS NULL AND certificate IS NULL
            WHEN 'claimed' THEN attempt IS NOT NULL AND certificate IS NULL
            WHEN 'personalised' THEN attempt IS NOT NULL AND certificate IS NOT NULL
            WHEN 'delivered' THEN attempt IS NULL AND certificate IS NOT NULL
            WHEN 'active' THEN attempt IS NULL AND certificate IS NOT NULL
            WHEN 'held' THEN attempt IS NULL AND certificate IS NOT NULL
            WHEN 'spoiled' THEN attempt IS NULL AND certificate IS NULL
            WHEN 'returned' THEN attempt IS NULL AND certificate IS NULL
            WHEN 'lost' THEN attempt IS NULL
            WHEN 'damaged' THEN attempt IS NULL AND certificate IS NOT NULL
            WHEN 'terminated' THEN attempt IS NULL AND certificate IS NOT NULL
            ELSE FALSE
        END
    )
);
CREATE INDEX token_by_batch ON token (model, batch, serial);
CREATE INDEX token_by_place ON token (place_kind, place, state, serial);
CREATE INDEX token_by_state ON token (state, serial);
CREATE INDEX token_by_delivery ON token (delivery, serial);

-- Tokens that were handed over before there was a stock.
INSERT INTO token (serial, model, batch, delivery, place_kind, place, state, attempt, certificate, moved_at)
    SELECT attempt.token, 'unknown', 'unknown', NULL, 'box', 'unknown',
        CASE status.state
            WHEN 'not-activated' THEN 'delivered'
            WHEN 'good' THEN 'active'
            WHEN 'held' THEN 'held'
            ELSE 'terminated'
        END,
        NULL, attempt.serial, attempt.created_at
    FROM attempt JOIN status ON status.serial = attempt.serial
    WHERE attempt.state = 'delivered' AND attempt.token <> 'origin:unattested' AND NOT EXISTS (
        SELECT 1 FROM attempt AS later
        WHERE later.token = attempt.token AND later.state = 'delivered'
            AND (later.created_at, later.id) > (attempt.created_at, attempt.id)
    );

-- And those that an attempt has in work.
INSERT INTO token (serial, model, batch, delivery, place_kind, place, state, attempt, certificate, moved_at)
    SELECT token, 'unknown', 'unknown', NULL, 'box', 'unknown',
        CASE state WHEN 'proved' THEN 'personalised' ELSE 'claimed' END,
        id, CASE state WHEN 'proved' THEN serial ELSE NULL END, created_at
    FROM attempt
    WHERE token IS NOT NULL AND token <> 'origin:unattested' AND state <> 'delivered' AND state <> 'abandoned'
        AND NOT EXISTS (SELECT 1 FROM token AS known WHERE known.serial = attempt.token);
