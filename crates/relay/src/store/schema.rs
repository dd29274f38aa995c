//! The tables, as migrations. Each carries its organisation; times are microseconds UTC, ids are 20 bytes.
//!
//! `delivery` holds only what is still to be sent: a row is born leased (it waits in memory), goes to `leased = 0` with
//! a due time when it must be tried again, and is deleted with its last attempt. `attempt` counts the attempts
//! recorded so far and fences them: an attempt is recorded only if the row still has the number it was sent under. There
//! is one row for a message and an endpoint at most, whoever wants it sent.
//!
//! Rows that nobody has leased are found by their endpoint, in the order in which they are due: what one endpoint is to get is
//! read without a look at the rows of others. `turn`, and `leased = 2`, are of older versions.
//!
//! `background_task` holds what is asked for, how far it has come (`mark`, the last id that was looked at) and what became
//! of it; `sent` counts what it has done, whatever that is. Its rowids are never used again, since tasks are taken up in their
//! order. What a task finds out is in `background_task_part`, a row a submission, so that none writes anew what others
//! have found.
//!
//! `endpoint_hour` adds `attempt` up, by endpoint and hour; `uncounted` has the first and the last row that is still to be added, if
//! there is one.
//!
//! `clock` has one row: how far the clock of the schedules was ahead of the wall, and what the wall showed then.
//!
//! `secret`, `old_secrets` and `headers` of an endpoint are sealed with a key of which `keyring` has a proof.

use linchpin_data::idempotency;
use linchpin_data::migrate::Migration;

/// All migrations, oldest first. A released one never changes.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "first tables", sql: TABLES },
    Migration { version: 2, name: "idempotency records", sql: idempotency::SQL },
    Migration { version: 3, name: "background tasks", sql: TASKS },
    Migration { version: 4, name: "turns of deliveries", sql: TURNS },
    Migration { version: 5, name: "parked deliveries", sql: PARKED },
    Migration { version: 7, name: "deliveries by endpoint", sql: LANES },
    Migration { version: 8, name: "sealed secrets", sql: SEALED },
    Migration { version: 9, name: "endpoints that only fail", sql: FAILING },
    Migration { version: 10, name: "what a message asks for", sql: WISHES },
    Migration { version: 11, name: "tasks of any kind", sql: KINDS },
    Migration { version: 12, name: "tokens that are refused", sql: REFUSED },
    Migration { version: 13, name: "operational webhooks", sql: OPERATIONAL },
    Migration { version: 14, name: "attempts by the hour", sql: HOURS },
    Migration { version: 15, name: "the clock of schedules", sql: CLOCK },
];

const TABLES: &str = "
CREATE TABLE application (
    org           BLOB NOT NULL,
    id            BLOB NOT NULL,
    uid           TEXT,
    name          TEXT NOT NULL,
    throttle_rate INTEGER,
    metadata      TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    deleted       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (org, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX application_uid ON application (org, uid) WHERE uid IS NOT NULL AND deleted = 0;

CREATE TABLE event_type (
    org          BLOB NOT NULL,
    name         TEXT NOT NULL,
    description  TEXT NOT NULL,
    archived     INTEGER NOT NULL,
    deprecated   INTEGER NOT NULL,
    schemas      TEXT,
    feature_flag TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (org, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE endpoint (
    org           BLOB NOT NULL,
    app           BLOB NOT NULL,
    id            BLOB NOT NULL,
    uid           TEXT,
    url           TEXT NOT NULL,
    description   TEXT NOT NULL,
    version       INTEGER NOT NULL,
    disabled      INTEGER NOT NULL,
    event_types   TEXT,
    channels      TEXT,
    throttle_rate INTEGER,
    secret        TEXT NOT NULL,
    metadata      TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    deleted       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (app, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX endpoint_uid ON endpoint (app, uid) WHERE uid IS NOT NULL AND deleted = 0;

CREATE TABLE message (
    rowid      INTEGER PRIMARY KEY,
    org        BLOB NOT NULL,
    app        BLOB NOT NULL,
    id         BLOB NOT NULL,
    event_type TEXT NOT NULL,
    event_id   TEXT,
    channels   TEXT,
    payload    BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX message_id ON message (app, id);
CREATE UNIQUE INDEX message_event_id ON message (app, event_id) WHERE event_id IS NOT NULL;

CREATE TABLE attempt (
    rowid        INTEGER PRIMARY KEY,
    org          BLOB NOT NULL,
    app          BLOB NOT NULL,
    message      BLOB NOT NULL,
    endpoint     BLOB NOT NULL,
    id           BLOB NOT NULL,
    url          TEXT NOT NULL,
    status       INTEGER NOT NULL,
    status_code  INTEGER NOT NULL,
    response     TEXT NOT NULL,
    duration_ms  INTEGER NOT NULL,
    trigger_type INTEGER NOT NULL,
    next_attempt INTEGER,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX attempt_message ON attempt (message, id);
CREATE UNIQUE INDEX attempt_endpoint ON attempt (endpoint, id);

CREATE TABLE delivery (
    rowid    INTEGER PRIMARY KEY,
    org      BLOB NOT NULL,
    app      BLOB NOT NULL,
    message  BLOB NOT NULL,
    endpoint BLOB NOT NULL,
    attempt  INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    leased   INTEGER NOT NULL
) STRICT;
CREATE INDEX delivery_due ON delivery (due) WHERE leased = 0;
";

const TASKS: &str = "
CREATE TABLE background_task (
    rowid      INTEGER PRIMARY KEY AUTOINCREMENT,
    org        BLOB NOT NULL,
    app        BLOB NOT NULL,
    endpoint   BLOB NOT NULL,
    id         BLOB NOT NULL,
    kind       TEXT NOT NULL,
    status     TEXT NOT NULL,
    since      INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    mark       BLOB,
    sent       INTEGER NOT NULL,
    error      TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX background_task_id ON background_task (org, id);
CREATE INDEX background_task_running ON background_task (rowid) WHERE status = 'running';

ALTER TABLE delivery ADD COLUMN manual INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX delivery_once ON delivery (endpoint, message);
";

const TURNS: &str = "ALTER TABLE delivery ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;";

/// Before it, rows were found in the order in which all of them were due, and those of an endpoint that was left alone were
/// set apart by `leased = 2`.
const LANES: &str = "
UPDATE delivery SET leased = 0 WHERE leased = 2;
DROP INDEX delivery_due;
DROP INDEX delivery_parked;
CREATE INDEX delivery_lane ON delivery (endpoint, due) WHERE leased = 0;
";

const FAILING: &str = "
ALTER TABLE endpoint ADD COLUMN failing_since INTEGER;
ALTER TABLE endpoint ADD COLUMN failing_day INTEGER;
ALTER TABLE endpoint ADD COLUMN disabled_reason TEXT;
ALTER TABLE endpoint ADD COLUMN retry_schedule TEXT;
";

/// `content` is 0 if the payload is there, 1 if its time was over, 2 if somebody had it removed. A message that asks for no time
/// of its own has no `content_until`, so that the index has no entry for it: its payload goes with it.
const WISHES: &str = "
ALTER TABLE message ADD COLUMN tags TEXT;
ALTER TABLE message ADD COLUMN deliver_at INTEGER;
ALTER TABLE message ADD COLUMN raw_type TEXT;
ALTER TABLE message ADD COLUMN content INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN content_until INTEGER;
CREATE INDEX message_content_until ON message (content_until) WHERE content_until IS NOT NULL;
ALTER TABLE event_type ADD COLUMN feature_flags TEXT;
ALTER TABLE event_type ADD COLUMN group_name TEXT;
";

/// `token_floor` refuses from `since` on what was issued up to `not_before`: of one session, or of all if `session` is empty.
const REFUSED: &str = "
CREATE TABLE token_revoked (
    id    BLOB PRIMARY KEY NOT NULL,
    org   BLOB NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_revoked_until ON token_revoked (until);

CREATE TABLE token_floor (
    org        BLOB NOT NULL,
    app        BLOB NOT NULL,
    session    TEXT NOT NULL,
    since      INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    PRIMARY KEY (org, app, session, since)
) STRICT, WITHOUT ROWID;
";

/// Attempts that are there already are counted after the start: millions of them would keep it waiting.
const HOURS: &str = "
CREATE TABLE endpoint_hour (
    app      BLOB NOT NULL,
    endpoint BLOB NOT NULL,
    hour     INTEGER NOT NULL,
    success  INTEGER NOT NULL,
    fail     INTEGER NOT NULL,
    canceled INTEGER NOT NULL,
    PRIMARY KEY (app, endpoint, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE uncounted (
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL
) STRICT;
INSERT INTO uncounted SELECT 1, rowid FROM attempt ORDER BY rowid DESC LIMIT 1;
";

const CLOCK: &str = "
CREATE TABLE clock (
    lead INTEGER NOT NULL,
    wall INTEGER NOT NULL
) STRICT;
INSERT INTO clock VALUES (0, 0);
";

/// `kind` is 0 for what clients see, and 1 for the one application of an organisation that its endpoints for operational webhooks
/// belong to.
const OPERATIONAL: &str = "
ALTER TABLE application ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX application_operational ON application (org) WHERE kind = 1;
";

/// Before it, each task had an endpoint. SQLite takes a `NOT NULL` off a column only with a new table; what follows keeps its
/// rowids, and what they will be next.
const KINDS: &str = "
CREATE TABLE background_task_new (
    rowid      INTEGER PRIMARY KEY AUTOINCREMENT,
    org        BLOB NOT NULL,
    app        BLOB,
    endpoint   BLOB,
    id         BLOB NOT NULL,
    kind       TEXT NOT NULL,
    status     TEXT NOT NULL,
    since      INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    params     TEXT,
    mark       BLOB,
    sent       INTEGER NOT NULL,
    error      TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO background_task_new
       (rowid, org, app, endpoint, id, kind, status, since, until, mark, sent, error, created_at, updated_at)
SELECT rowid, org, app, endpoint, id, kind, status, since, until, mark, sent, error, created_at, updated_at
  FROM background_task;
DELETE FROM sqlite_sequence WHERE name = 'background_task_new';
UPDATE sqlite_sequence SET name = 'background_task_new' WHERE name = 'background_task';
DROP TABLE background_task;
ALTER TABLE background_task_new RENAME TO background_task;
CREATE UNIQUE INDEX background_task_id ON background_task (org, id);
CREATE INDEX background_task_app ON background_task (org, app, id) WHERE app IS NOT NULL;
CREATE INDEX background_task_running ON background_task (rowid) WHERE status = 'running';

CREATE TABLE background_task_part (
    task INTEGER NOT NULL REFERENCES background_task (rowid) ON DELETE CASCADE,
    mark BLOB NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (task, mark)
) STRICT, WITHOUT ROWID;
";

const PARKED: &str = "CREATE INDEX delivery_parked ON delivery (endpoint, due) WHERE leased = 2;";

const SEALED: &str = "
ALTER TABLE endpoint ADD COLUMN old_secrets TEXT;
ALTER TABLE endpoint ADD COLUMN headers TEXT;

CREATE TABLE keyring (
    id         TEXT PRIMARY KEY NOT NULL,
    proof      TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";
