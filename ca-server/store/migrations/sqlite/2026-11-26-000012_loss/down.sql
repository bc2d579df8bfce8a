DROP INDEX application_temporary;
DROP INDEX application_certificate;
CREATE UNIQUE INDEX application_certificate ON application (certificate)
    WHERE certificate IS NOT NULL AND kind <> 'revoke' AND kind <> 'hold' AND kind <> 'release' AND kind <> 'unlock'
        AND state <> 'rejected' AND state <> 'withdrawn' AND state <> 'expired';
ALTER TABLE notice DROP COLUMN hold;
DROP TABLE hold;
