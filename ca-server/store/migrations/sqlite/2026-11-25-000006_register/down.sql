DROP TABLE appointment;
DROP TABLE counter_day;
DROP TABLE batch_line;
DROP TABLE batch;
DROP TABLE register_row;
DROP TABLE register_import;
