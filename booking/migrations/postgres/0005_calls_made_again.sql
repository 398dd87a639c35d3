-- What a call under a key names after itself what it makes. Kept when a call is made again because its process died: what
-- the first one made is then found.
alter table idempotency add column seed text;
