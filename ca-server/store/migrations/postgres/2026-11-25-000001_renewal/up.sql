-- A renewal names the certificate that it renews. One at a time: a second one only after the first was refused.
ALTER TABLE application ADD COLUMN renews BYTEA REFERENCES intent (serial) CHECK (length(renews) BETWEEN 1 AND 20);
CREATE UNIQUE INDEX application_renews ON application (renews)
    WHERE renews IS NOT NULL AND state <> 'rejected' AND state <> 'withdrawn';
