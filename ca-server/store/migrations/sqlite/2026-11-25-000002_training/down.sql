ALTER TABLE notice DROP COLUMN training;
DROP TABLE training;
DROP TABLE training_session;
