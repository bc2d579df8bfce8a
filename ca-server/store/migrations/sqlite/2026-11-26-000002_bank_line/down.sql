DROP TABLE bank_line;
