-- Writes what a node has counted, lets go of the others of its breaker who were silent for too long, and answers with
-- what the rest have. $1: the breaker. $2: the node. $3 to $5: its counts. $6: how long a word holds, in microseconds.
WITH clock AS (
    SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now_us
), said AS (
    INSERT INTO linchpin_counts (breaker, node, calls, failures, slow, told, until)
    SELECT $1, $2, $3, $4, $5, now_us, now_us + $6 FROM clock
    ON CONFLICT (breaker, node) DO UPDATE SET
        calls = excluded.calls, failures = excluded.failures, slow = excluded.slow,
        told = excluded.told, until = excluded.until
    RETURNING told AS now_us
), gone AS (
    -- Since it asks what was said its own row is locked before those of others, and of theirs it waits for none: two who
    -- let go of each other do not end in a deadlock.
    DELETE FROM linchpin_counts WHERE breaker = $1 AND node = ANY(ARRAY(
        SELECT node FROM linchpin_counts, said
        WHERE breaker = $1 AND node <> $2 AND now_us - told >= $6
        FOR UPDATE OF linchpin_counts SKIP LOCKED))
)
SELECT node, calls, failures, slow FROM linchpin_counts, said
WHERE breaker = $1 AND node <> $2 AND now_us - told < $6
