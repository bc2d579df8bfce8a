ALTER TABLE notice DROP COLUMN invoice;
DROP TABLE invoice_file;
DROP TABLE invoice;
