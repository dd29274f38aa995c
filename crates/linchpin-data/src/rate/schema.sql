-- UNLOGGED: a visit waits for no disk, and a crash of the server empties the tables, which lets a burst of each key pass
-- more. Half of each page stays free, so that an update finds its place beside what it replaces.
CREATE UNLOGGED TABLE linchpin_rate (
    key text PRIMARY KEY,
    -- For each quota, in microseconds since 1970: when all that has passed is paid for.
    paid bigint[] NOT NULL
) WITH (fillfactor = 50);

CREATE UNLOGGED TABLE linchpin_rate_epoch (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch bigint NOT NULL
);

CREATE FUNCTION linchpin_rate_now() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- Judges a visit by all quotas of a key, and takes of all or of none. Answers {passes, remaining, wait_us, reset_us, ...}.
CREATE FUNCTION linchpin_rate_take(
    k text, cost bigint, most bigint, given bigint, intervals bigint[], bursts bigint[], longest bigint[]
) RETURNS bigint[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    now_us bigint;
    stood bigint[];
    before bigint[];
    after bigint[];
    passes boolean;
    healed boolean;
    answer bigint[];
    locked boolean := false;
    known boolean;
BEGIN
    LOOP
        -- Whoever is refused by what can be seen without a lock is refused by what comes after it, too.
        IF locked THEN
            SELECT paid INTO stood FROM linchpin_rate WHERE key = k FOR UPDATE;
        ELSE
            SELECT paid INTO stood FROM linchpin_rate WHERE key = k;
        END IF;
        known := FOUND;
        now_us := coalesce(given, linchpin_rate_now());
        passes := true;
        healed := false;
        answer := ARRAY[]::bigint[];
        FOR i IN 1 .. cardinality(intervals) LOOP
            -- Heals a clock that went back, and a burst that shrank. That is written whatever is decided: otherwise
            -- each who is refused would find it unhealed, and be refused until the clock is where it was.
            before[i] := least(greatest(coalesce(stood[i], now_us), now_us),
                now_us + bursts[i] * intervals[i] + longest[i]);
            healed := healed OR coalesce(before[i] < stood[i], false);
            after[i] := before[i] + cost * intervals[i];
            IF cost > 0 AND after[i] - bursts[i] * intervals[i] - now_us > most THEN
                passes := false;
            END IF;
        END LOOP;
        EXIT WHEN cost = 0 OR NOT (passes OR healed);
        IF NOT known THEN
            INSERT INTO linchpin_rate (key, paid) VALUES (k, after) ON CONFLICT (key) DO NOTHING;
            EXIT WHEN FOUND;
            locked := true;
        ELSIF locked THEN
            UPDATE linchpin_rate SET paid = CASE WHEN passes THEN after ELSE before END WHERE key = k;
            EXIT;
        ELSE
            locked := true;
        END IF;
    END LOOP;
    FOR i IN 1 .. cardinality(intervals) LOOP
        answer := answer || ARRAY[
            greatest((now_us + bursts[i] * intervals[i]
                - CASE WHEN passes THEN after[i] ELSE before[i] END) / intervals[i], 0),
            greatest(after[i] - bursts[i] * intervals[i] - now_us, 0),
            CASE WHEN passes THEN after[i] ELSE before[i] END - now_us];
    END LOOP;
    RETURN ARRAY[passes::int::bigint] || answer;
END $$;

-- Lets nothing of a key pass for a time.
CREATE FUNCTION linchpin_rate_penalize(
    k text, wait bigint, given bigint, intervals bigint[], bursts bigint[], longest bigint[]
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    now_us bigint := coalesce(given, linchpin_rate_now());
    stood bigint[];
    after bigint[];
BEGIN
    INSERT INTO linchpin_rate (key, paid) VALUES (k, ARRAY[]::bigint[]) ON CONFLICT (key) DO NOTHING;
    SELECT paid INTO stood FROM linchpin_rate WHERE key = k FOR UPDATE;
    FOR i IN 1 .. cardinality(intervals) LOOP
        after[i] := least(greatest(coalesce(stood[i], now_us), now_us),
            now_us + bursts[i] * intervals[i] + longest[i]);
        after[i] := greatest(after[i], now_us + least(wait, longest[i]) + (bursts[i] - 1) * intervals[i]);
    END LOOP;
    UPDATE linchpin_rate SET paid = after WHERE key = k;
END $$;

-- Looks at so many keys from `hand` on and lets go of those that are full again; the last one it looked at, or NULL.
CREATE FUNCTION linchpin_rate_sweep(hand text, looks int, OUT next text, OUT went bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    now_us bigint := linchpin_rate_now();
    looked text[];
BEGIN
    looked := ARRAY(SELECT key FROM linchpin_rate WHERE key > hand ORDER BY key LIMIT looks);
    DELETE FROM linchpin_rate WHERE key IN (
        SELECT key FROM linchpin_rate WHERE key = ANY(looked) AND now_us >= ALL(paid)
        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS went = ROW_COUNT;
    next := looked[looks];
END $$;
