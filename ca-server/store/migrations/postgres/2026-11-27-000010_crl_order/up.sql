-- A CRL is read in pages, in the order of its entries.
DROP INDEX status_listed;
CREATE INDEX status_listed ON status (issuer, shard, serial) WHERE state <> 'good';
