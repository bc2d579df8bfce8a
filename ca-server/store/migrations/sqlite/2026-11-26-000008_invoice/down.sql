DROP TABLE invoice_file;
DROP TABLE invoice;
