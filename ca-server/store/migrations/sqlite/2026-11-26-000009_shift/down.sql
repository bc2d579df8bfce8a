DROP INDEX audit_of_certificates;
DROP INDEX certificate_by_time;
DROP INDEX payment_by_counter;
DROP TABLE pay_out;
DROP TABLE shift;
