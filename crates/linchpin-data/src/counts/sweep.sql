-- Lets go of all whose word holds no longer, but for those who tell another just now.
DELETE FROM linchpin_counts WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM linchpin_counts
    WHERE until <= (extract(epoch FROM statement_timestamp()) * 1000000)::bigint
    FOR UPDATE SKIP LOCKED))
