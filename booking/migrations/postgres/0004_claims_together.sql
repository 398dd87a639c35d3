-- Claims are judged by the service, many in one transaction.
drop function hold_seats(bigint, text, text, text, bigint, bigint);

-- What somebody has is looked up without what they once had: rows of holds that are over stay with their owner until
-- somebody else wants the seat.
drop index claim_owner;
create index claim_owner on claim (owner, expires_at);
create index claim_kept on claim (owner) where state <> 'held';
