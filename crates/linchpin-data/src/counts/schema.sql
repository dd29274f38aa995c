-- UNLOGGED: no word of a node waits for a disk, and a crash of the server empties the table, which the next words fill
-- again. Half of each page stays free, so that an update finds its place beside what it replaces.
CREATE UNLOGGED TABLE linchpin_counts (
    breaker text NOT NULL,
    node bigint NOT NULL,
    calls bigint NOT NULL,
    failures bigint NOT NULL,
    slow bigint NOT NULL,
    -- In microseconds since 1970: when this was told, and until when it holds.
    told bigint NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (breaker, node)
) WITH (fillfactor = 50);
