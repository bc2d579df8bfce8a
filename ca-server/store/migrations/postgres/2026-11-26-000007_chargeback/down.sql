DROP TABLE chargeback;
