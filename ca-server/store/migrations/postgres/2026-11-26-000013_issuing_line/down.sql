DROP TABLE line_item;
DROP TABLE issuing_line;
ALTER TABLE attempt DROP COLUMN first_pin;
ALTER TABLE attempt DROP CONSTRAINT attempt_check;
ALTER TABLE attempt DROP CONSTRAINT attempt_check2;
UPDATE attempt SET held_workstation = workstation WHERE state = 'proved';
ALTER TABLE attempt ADD CONSTRAINT attempt_check CHECK (
    CASE state
        WHEN 'delivered' THEN held_application = application AND held_workstation IS NULL
        WHEN 'abandoned' THEN held_application IS NULL AND held_workstation IS NULL
        ELSE held_application = application AND held_workstation = workstation
    END
);
ALTER TABLE attempt ADD CONSTRAINT attempt_check2
    CHECK (held_workstation IS NOT NULL OR state = 'abandoned' OR state = 'delivered');
