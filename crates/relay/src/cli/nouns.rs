//! The commands of the client, as tables. A route has its command by a line here.
//!
//! One file because it is one table: who adds a route, or looks for a command, looks here.

mod operational;

use http::Method;

use super::verb::{Column, Input, Kind, Noun, Shape, To, Verb};

/// All there is to talk about.
pub(super) const NOUNS: &[Noun] = &[
    Noun { name: "app", about: "Applications: whom messages are sent for", verbs: APP },
    Noun { name: "event-type", about: "Event types: what messages are about", verbs: EVENT_TYPE },
    Noun { name: "endpoint", about: "Endpoints: where messages are sent to", verbs: ENDPOINT },
    Noun { name: "message", about: "Messages: send them, and see where they went", verbs: MESSAGE },
    Noun { name: "attempt", about: "Attempts: what became of deliveries", verbs: ATTEMPT },
    Noun { name: "auth", about: "Tokens of applications, and links into the portal", verbs: AUTH },
    Noun { name: "usage", about: "Usage: how much is sent for applications", verbs: USAGE },
    Noun { name: "task", about: "Background tasks: what goes on after its request", verbs: TASK },
    Noun {
        name: "operational",
        about: "Endpoints for operational webhooks: what becomes of all others",
        verbs: operational::VERBS,
    },
    Noun { name: "breaker", about: "What holds deliveries back, for operators", verbs: BREAKER },
];

const APP: &[Verb] = &[
    Verb::new("list", Method::GET, "/app", "List applications, oldest first").with(&[ORDER]).shown(
        Shape::Pages(&[
            Column::new("ID", "/id"),
            Column::new("UID", "/uid"),
            CREATED,
            Column::new("NAME", "/name"),
        ]),
    ),
    Verb::new("get", Method::GET, "/app/{app_id}", "Show an application"),
    Verb::new("create", Method::POST, "/app", "Make an application").with(&[
        Input::text("NAME", "name", "What people call it"),
        UID,
        THROTTLE,
        METADATA,
        Input::new(
            "get-if-exists",
            Kind::Switch,
            To::Query("get_if_exists"),
            "Show the one that has the uid, if there is one",
        ),
    ]),
    Verb::new("update", Method::PATCH, "/app/{app_id}", "Change what is named, and no more")
        .with(&[Input::text("name", "name", "What people call it"), UID, THROTTLE, METADATA]),
    Verb::new("delete", Method::DELETE, "/app/{app_id}", "Delete an application and all it has"),
];

const EVENT_TYPE: &[Verb] = &[
    Verb::new("list", Method::GET, "/event-type", "List event types by name")
        .with(&[Input::new(
            "archived",
            Kind::Switch,
            To::Query("include_archived"),
            "Archived ones, too",
        )])
        .shown(Shape::Pages(&[
            Column::new("NAME", "/name"),
            Column::new("ARCHIVED", "/archived"),
            CREATED,
            Column::new("DESCRIPTION", "/description"),
        ])),
    Verb::new("get", Method::GET, "/event-type/{event_type_name}", "Show an event type"),
    Verb::new("create", Method::POST, "/event-type", "Make an event type, or bring it back").with(
        &[
            Input::text("NAME", "name", "Words with dots between, such as invoice.paid"),
            Input::text("DESCRIPTION", "description", "What it is about"),
            SCHEMAS,
            FEATURE_FLAG,
        ],
    ),
    Verb::new(
        "update",
        Method::PATCH,
        "/event-type/{event_type_name}",
        "Change what is named, and no more",
    )
    .with(&[
        DESCRIPTION,
        SCHEMAS,
        FEATURE_FLAG,
        Input::bool("archived", "archived", "Whether it is archived"),
        Input::bool("deprecated", "deprecated", "Whether it is deprecated"),
    ]),
    Verb::new(
        "import",
        Method::POST,
        "/event-type/import/openapi",
        "Make or change the event types that an OpenAPI document has as webhooks",
    )
    .with(&[
        Input::new("FILE", Kind::TextFile, To::Body("specRaw"), "A file of JSON or YAML"),
        Input::new("dry-run", Kind::Switch, To::Body("dryRun"), "Only show what would be changed"),
        Input::new(
            "replace-all",
            Kind::Switch,
            To::Body("replaceAll"),
            "Archive those that the document has not",
        ),
    ]),
    Verb::new(
        "delete",
        Method::DELETE,
        "/event-type/{event_type_name}",
        "Archive an event type, or delete it for good",
    )
    .with(&[Input::new("expunge", Kind::Switch, To::Query("expunge"), "For good")]),
];

const ENDPOINT: &[Verb] = &[
    Verb::new("list", Method::GET, "/app/{app_id}/endpoint", "List an application's endpoints")
        .with(&[ORDER])
        .shown(Shape::Pages(&[
            Column::new("ID", "/id"),
            Column::new("UID", "/uid"),
            Column::new("DISABLED", "/disabled"),
            Column::new("URL", "/url"),
            Column::new("TYPES", "/filterTypes"),
            CREATED,
        ])),
    Verb::new("get", Method::GET, ONE_ENDPOINT, "Show an endpoint"),
    Verb::new("create", Method::POST, "/app/{app_id}/endpoint", "Make an endpoint").with(&[
        Input::text("URL", "url", "Where to send"),
        UID,
        DESCRIPTION,
        TYPES,
        CHANNELS,
        THROTTLE,
        RETRIES,
        METADATA,
    ]),
    Verb::new("update", Method::PATCH, ONE_ENDPOINT, "Change what is named, and no more").with(&[
        Input::text("url", "url", "Where to send"),
        UID,
        DESCRIPTION,
        TYPES,
        CHANNELS,
        THROTTLE,
        RETRIES,
        METADATA,
    ]),
    Verb::new("delete", Method::DELETE, ONE_ENDPOINT, "Delete an endpoint"),
    Verb::new("enable", Method::PATCH, ONE_ENDPOINT, "Send to an endpoint again")
        .with(&[Input::new("", Kind::Always("false"), To::Body("disabled"), "")]),
    Verb::new("disable", Method::PATCH, ONE_ENDPOINT, "Send nothing more to an endpoint")
        .with(&[Input::new("", Kind::Always("true"), To::Body("disabled"), "")]),
    Verb::new(
        "secret",
        Method::GET,
        "/app/{app_id}/endpoint/{endpoint_id}/secret",
        "Show what deliveries are verified with",
    ),
    Verb::new(
        "rotate",
        Method::POST,
        "/app/{app_id}/endpoint/{endpoint_id}/secret/rotate",
        "Sign with a new secret; the old one verifies a while longer",
    )
    .with(&[KEY, GRACE]),
    Verb::new("headers", Method::GET, HEADERS, "Show the headers that are sent along"),
    Verb::new("set-headers", Method::PUT, HEADERS, "Send these headers along, and no others")
        .with(&[HEADERS_TO_SET]),
    Verb::new("change-headers", Method::PATCH, HEADERS, "Change headers; null takes one away")
        .with(&[HEADERS_TO_SET]),
    Verb::new(
        "messages",
        Method::GET,
        "/app/{app_id}/endpoint/{endpoint_id}/msg",
        "List what was sent to an endpoint or is to be, newest first",
    )
    .with(&[STATUS, FILTER_CHANNEL, FILTER_TYPES, BEFORE, AFTER])
    .shown(Shape::Pages(&[
        Column::new("ID", "/id"),
        Column::new("STATUS", "/statusText"),
        Column::moment("NEXT", "/nextAttempt"),
        SENT,
        Column::new("TYPE", "/eventType"),
    ])),
    Verb::new(
        "stats",
        Method::GET,
        "/app/{app_id}/endpoint/{endpoint_id}/stats",
        "Show how its attempts have ended and what it is still to get",
    )
    .with(&[STATS_SINCE, STATS_UNTIL]),
    Verb::new(
        "attempt-stats",
        Method::GET,
        "/app/{app_id}/endpoint/{endpoint_id}/attempt-stats",
        "Show how its attempts have ended",
    )
    .with(&[STATS_SINCE, STATS_UNTIL]),
    Verb::new(
        "example",
        Method::POST,
        "/app/{app_id}/endpoint/{endpoint_id}/send-example",
        "Send the example of an event type",
    )
    .with(&[Input::text("TYPE", "eventType", "The event type")])
    .shown(Shape::Sent),
    Verb::new(
        "recover",
        Method::POST,
        "/app/{app_id}/endpoint/{endpoint_id}/recover",
        "Send again what failed",
    )
    .with(&[SINCE, UNTIL])
    .shown(Shape::Task),
    Verb::new(
        "replay-missing",
        Method::POST,
        "/app/{app_id}/endpoint/{endpoint_id}/replay-missing",
        "Send what was never sent to an endpoint",
    )
    .with(&[SINCE, UNTIL])
    .shown(Shape::Task),
    Verb::new(
        "bulk-replay",
        Method::POST,
        "/app/{app_id}/endpoint/{endpoint_id}/bulk-replay",
        "Send again what was sent to an endpoint and is all that is named",
    )
    .with(&[
        SINCE,
        UNTIL,
        TYPES,
        Input::text("channel", "channel", "Only those on this channel"),
        Input::text("tag", "tag", "Only those with this tag"),
        Input::number(
            "status",
            "status",
            "Only those: 0 delivered, 1 or 3 to be sent, 2 failed, 4 never sent",
        ),
        Input::number(
            "code-class",
            "statusCodeClass",
            "Only those last answered so: 0 (not at all), 100, 200, 300, 400 or 500",
        ),
    ])
    .shown(Shape::Task),
];

const MESSAGE: &[Verb] = &[
    Verb::new("list", Method::GET, "/app/{app_id}/msg", "List messages, newest first")
        .with(&[FILTER_CHANNEL, FILTER_TAG, FILTER_TYPES, BEFORE, AFTER])
        .shown(Shape::Pages(&[
            Column::new("ID", "/id"),
            Column::new("EVENT ID", "/eventId"),
            SENT,
            Column::new("TYPE", "/eventType"),
        ])),
    Verb::new("get", Method::GET, "/app/{app_id}/msg/{msg_id}", "Show a message"),
    Verb::new("send", Method::POST, "/app/{app_id}/msg", "Send a message")
        .with(&[
            Input::text("TYPE", "eventType", "What it is about"),
            Input::new(
                "FILE",
                Kind::File,
                To::Body("payload"),
                "The payload, a file of JSON; - for the standard input",
            ),
            Input::text("id", "eventId", "Your own id; a second message with it is refused"),
            CHANNELS,
            Input::new("tags", Kind::Texts, To::Body("tags"), "Tags, commas between"),
            Input::text(
                "deliver-at",
                "deliverAt",
                "Not before this moment (RFC 3339), a day at most",
            ),
            Input::number(
                "retention-hours",
                "payloadRetentionHours",
                "For how long the payload is kept, 1 to 2160",
            ),
        ])
        .shown(Shape::Sent),
    Verb::new(
        "expunge",
        Method::DELETE,
        "/app/{app_id}/msg/{msg_id}/content",
        "Remove the payload of a message for good",
    ),
    Verb::new(
        "expunge-many",
        Method::POST,
        "/app/{app_id}/msg/bulk-expunge",
        "Remove the payloads of messages for good",
    )
    .with(&[Input::new("IDS", Kind::Texts, To::Body("ids"), "Their ids, commas between")])
    .for_good(),
    Verb::new(
        "expunge-all",
        Method::POST,
        "/app/{app_id}/msg/expunge-all-contents",
        "Remove all payloads of an application, and what receivers answered, for good",
    )
    .shown(Shape::Task)
    .for_good(),
    Verb::new(
        "precheck",
        Method::POST,
        "/app/{app_id}/msg/precheck/active",
        "Say whether any endpoint would get a message",
    )
    .with(&[Input::text("TYPE", "eventType", "What it is about"), CHANNELS]),
    Verb::new(
        "endpoints",
        Method::GET,
        "/app/{app_id}/msg/{msg_id}/endpoint",
        "List where a message goes and what became of it",
    )
    .shown(Shape::Pages(&[
        Column::new("ID", "/id"),
        Column::new("STATUS", "/statusText"),
        Column::moment("NEXT", "/nextAttempt"),
        Column::new("URL", "/url"),
    ])),
];

const CODE: Column = Column::new("CODE", "/responseStatusCode");
const MS: Column = Column::new("MS", "/responseDurationMs");
const BECAME: Column = Column::new("STATUS", "/statusText");
const ID: Column = Column::new("ID", "/id");

const ATTEMPT: &[Verb] = &[
    Verb::new(
        "list",
        Method::GET,
        "/app/{app_id}/attempt/endpoint/{endpoint_id}",
        "List the attempts to deliver to an endpoint, newest first",
    )
    .with(&[STATUS, FILTER_CHANNEL, FILTER_TYPES, BEFORE, AFTER])
    .shown(Shape::Pages(&[SENT, BECAME, CODE, MS, Column::new("MESSAGE", "/msgId"), ID])),
    Verb::new(
        "of",
        Method::GET,
        "/app/{app_id}/attempt/msg/{msg_id}",
        "List the attempts to deliver a message, newest first",
    )
    .with(&[STATUS, BEFORE, AFTER])
    .shown(Shape::Pages(&[SENT, BECAME, CODE, MS, Column::new("ENDPOINT", "/endpointId"), ID])),
    Verb::new(
        "get",
        Method::GET,
        "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}",
        "Show an attempt",
    ),
    Verb::new(
        "resend",
        Method::POST,
        "/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend",
        "Send a message to an endpoint once more",
    ),
    Verb::new(
        "expunge",
        Method::DELETE,
        "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content",
        "Remove what a receiver answered for good",
    ),
    Verb::new("tail", Method::GET, "/events", "Follow what becomes of attempts, for operators")
        .with(&[Input::query(
            "topic",
            "topic",
            "attempt.delivered, attempt.failed, attempt.exhausted or a pattern [default: all]",
        )])
        .shown(Shape::Events)
        .admin(),
];

const AUTH: &[Verb] = &[
    Verb::new(
        "portal",
        Method::POST,
        "/auth/app-portal-access/{app_id}",
        "Make a link into the portal of an application",
    )
    .with(&[
        Input::number("expiry", "expiry", "For how many seconds, 3600 to 604800 [default: a week]"),
        Input::new(
            "capabilities",
            Kind::Texts,
            To::Body("capabilities"),
            "What it lets do, commas between; ViewBase is one [default: all]",
        ),
        Input::new("flags", Kind::Texts, To::Body("featureFlags"), "Feature flags, commas between"),
        Input::text("session", "sessionId", "What expire-all may end it by"),
    ]),
    Verb::new(
        "expire-all",
        Method::POST,
        "/auth/app/{app_id}/expire-all",
        "End all tokens of an application that were made until now",
    )
    .with(&[
        Input::number("expiry", "expiry", "In how many seconds [default: at once]"),
        Input::new(
            "sessions",
            Kind::Texts,
            To::Body("sessionIds"),
            "Only those of these sessions, commas between",
        ),
    ]),
    Verb::new(
        "logout",
        Method::POST,
        "/auth/logout",
        "End the token of an application, given as --token",
    ),
];

const USAGE: &[Verb] = &[
    Verb::new(
        "app",
        Method::POST,
        "/stats/usage/app",
        "Count the attempts that were made for each application",
    )
    .with(&[
        SINCE,
        Input::text("UNTIL", "until", "Up to this moment (RFC 3339)"),
        Input::new(
            "apps",
            Kind::Texts,
            To::Body("appIds"),
            "Only these applications, commas between",
        ),
    ])
    .shown(Shape::Task),
    Verb::new(
        "event-types",
        Method::PUT,
        "/stats/usage/event-types",
        "List which event types each application listens to",
    )
    .shown(Shape::Task),
];

const TASK: &[Verb] = &[
    Verb::new("list", Method::GET, "/background-task", "List tasks, newest first")
        .with(&[ORDER, Input::query("status", "status", "Only those: running, finished or failed")])
        .shown(Shape::Pages(&[
            Column::new("ID", "/id"),
            Column::new("STATUS", "/status"),
            Column::new("TASK", "/task"),
            Column::new("SENT", "/data/messagesSent"),
            Column::new("PURGED", "/data/messagesPurged"),
            Column::moment("UPDATED", "/updatedAt"),
        ])),
    Verb::new("get", Method::GET, ONE_TASK, "Show a task"),
    Verb::new("wait", Method::GET, ONE_TASK, "Wait until a task has ended; 1 if it failed")
        .shown(Shape::Awaited),
];

const BREAKER: &[Verb] = &[
    Verb::new("list", Method::GET, "/policies", "List every breaker and limiter")
        .shown(Shape::Whole(&[
            Column::new("POLICY", "/policy"),
            Column::new("NAME", "/instance"),
            Column::new("STATE", "/state"),
            Column::new("KEY", "/key"),
        ]))
        .admin(),
    Verb::new("set", Method::POST, "/breakers/{endpoint_id}", "Set an endpoint's breaker by hand")
        .with(&[Input::text(
            "STATE",
            "state",
            "open (or isolated), closed, metrics_only, or reset: back on its own",
        )])
        .admin(),
];

const HEADERS: &str = "/app/{app_id}/endpoint/{endpoint_id}/headers";
const ONE_ENDPOINT: &str = "/app/{app_id}/endpoint/{endpoint_id}";
const ONE_TASK: &str = "/background-task/{task_id}";

const CREATED: Column = Column::moment("CREATED", "/createdAt");
const SENT: Column = Column::moment("SENT", "/timestamp");

const ORDER: Input = Input::query("order", "order", "ascending or descending");
const STATUS: Input = Input::query("status", "status", "Only those: 0 success, 2 failed");
const FILTER_TAG: Input = Input::query("tag", "tag", "Only those with this tag");
const FILTER_CHANNEL: Input = Input::query("channel", "channel", "Only those on this channel");
const FILTER_TYPES: Input =
    Input::query("types", "event_types", "Only those of these event types, commas between");
const BEFORE: Input = Input::query("before", "before", "Only those before this moment (RFC 3339)");
const AFTER: Input = Input::query("after", "after", "Only those after this moment (RFC 3339)");
const UID: Input = Input::text("uid", "uid", "Your own id for it");
const DESCRIPTION: Input = Input::text("description", "description", "What it is about");
const THROTTLE: Input = Input::number(
    "throttle-rate",
    "throttleRate",
    "Deliveries a second at most, null for no limit",
);
const METADATA: Input =
    Input::json("metadata", "metadata", "A JSON object of texts, such as {\"plan\":\"gold\"}");
const SCHEMAS: Input =
    Input::new("schemas", Kind::File, To::Body("schemas"), "A file of JSON schemas by version");
const FEATURE_FLAG: Input = Input::text("feature-flag", "featureFlag", "Only shown to who has it");
const TYPES: Input = Input::new(
    "types",
    Kind::Texts,
    To::Body("eventTypes"),
    "Only these event types, commas between",
);
const CHANNELS: Input =
    Input::new("channels", Kind::Texts, To::Body("channels"), "Channels, commas between");
const SINCE: Input = Input::text("SINCE", "since", "From this moment on (RFC 3339)");
const UNTIL: Input = Input::text("until", "until", "Up to this moment (RFC 3339) [default: now]");
const STATS_SINCE: Input =
    Input::query("since", "since", "From this moment on (RFC 3339) [default: 28 days before]");
const STATS_UNTIL: Input =
    Input::query("until", "until", "Up to this moment (RFC 3339) [default: now]");
const RETRIES: Input = Input::json(
    "retry-schedule",
    "retrySchedule",
    "Seconds between attempts, as [5, 300] [default: the service's]",
);
const KEY: Input = Input::text("key", "key", "The new secret [default: one that is made]");
const GRACE: Input =
    Input::number("grace", "gracePeriodSeconds", "Seconds that both verify [default: a day]");
const HEADERS_TO_SET: Input =
    Input::json("HEADERS", "headers", "A JSON object of texts, such as {\"x-team\":\"blue\"}");
