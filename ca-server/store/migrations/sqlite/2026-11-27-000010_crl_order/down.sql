DROP INDEX status_listed;
CREATE INDEX status_listed ON status (issuer, shard, not_after) WHERE state <> 'good';
