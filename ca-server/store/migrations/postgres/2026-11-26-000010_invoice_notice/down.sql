DROP INDEX fee_order_to_red_letter;
ALTER TABLE fee_order DROP COLUMN invoiced_fen;
ALTER TABLE invoice DROP COLUMN erased_at;
ALTER TABLE notice DROP COLUMN invoice;
