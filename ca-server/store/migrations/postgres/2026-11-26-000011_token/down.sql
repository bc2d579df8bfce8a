DROP TABLE token;
DROP TABLE token_delivery;
