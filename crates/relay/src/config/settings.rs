//! The settings by name, with what they are and their defaults.

use linchpin_security::config::{Choice, Setting};

use super::{DEVELOPMENT_KEY, DEVELOPMENT_SECRET, Mode};
use crate::logging::Format;
use crate::vault::SignatureType;

/// Every setting there is.
pub const SETTINGS: &[Setting] = &[
    Setting::new("config", "TOML file with settings; must exist if named").default("relay.toml"),
    Setting::new("mode", "development (loopback only, known secret) or production")
        .default("development"),
    Setting::new("listen", "address of the API").default("127.0.0.1:8071"),
    Setting::new("admin-listen", "address of /live, /ready and /metrics").default("127.0.0.1:8072"),
    Setting::new("database", "the SQLite file; its folder is made if missing")
        .default("relay-data/relay.db"),
    Setting::new("jwt-secret", "secret that signs API tokens, at least 32 bytes")
        .default(DEVELOPMENT_SECRET)
        .secret(),
    Setting::new(
        "jwt-secret-file",
        "file that holds jwt-secret alone, as containers and systemd give it",
    ),
    Setting::new(
        "jwt-old-secrets",
        "secrets before jwt-secret whose tokens are still good, commas between",
    )
    .default("")
    .secret(),
    Setting::new("jwt-old-secrets-file", "file that holds jwt-old-secrets alone"),
    Setting::new("jwt-algorithm", "the one algorithm accepted: HS256, HS384 or HS512")
        .default("HS256"),
    Setting::new(
        "encryption-keys",
        "keys that seal secrets, `id:base64` of 32 bytes, current first",
    )
    .default(DEVELOPMENT_KEY)
    .secret(),
    Setting::new("encryption-keys-file", "file that holds encryption-keys alone"),
    Setting::new("default-signature-type", "what signs for new endpoints: hmac256 or ed25519")
        .default("hmac256"),
    Setting::new("webhook-headers", "header names of a delivery: svix, webhook or both")
        .default("svix"),
    Setting::new("retry-schedule", "delays between attempts, up to 20 percent added to each")
        .default("5s, 5m, 30m, 2h, 5h, 10h, 10h"),
    Setting::new(
        "endpoint-disable-after",
        "an endpoint that only fails for so long is disabled; 0 for never",
    )
    .default("120h"),
    Setting::new(
        "endpoint-disable-gone",
        "whether a receiver that answers 410 is disabled at once",
    )
    .default("true"),
    Setting::new("request-timeout", "longest attempt, to the last byte of the response")
        .default("15s"),
    Setting::new("delivery-concurrency", "attempts under way at once").default("512"),
    Setting::new(
        "delivery-per-host",
        "those of them to one host and port, of all endpoints there; 0 for a quarter",
    )
    .default("0"),
    Setting::new("delivery-queue", "deliveries that wait in memory, at most").default("4096"),
    Setting::new("endpoints-per-application", "the most endpoints of one application")
        .default("500"),
    Setting::new("breaker-open-for", "how long an endpoint that fails is left alone at first")
        .default("10s"),
    Setting::new("breaker-max-open-for", "the longest that an endpoint is left alone at a time")
        .default("5m"),
    Setting::new("api-rate", "requests a second of one principal of the API; 0 for no limit")
        .default("0"),
    Setting::new("portal-url", "where users reach the portal of applications, for links to it")
        .default(""),
    Setting::new("api-header-timeout", "time for the header of a request; 2s at most when crowded")
        .default("10s"),
    Setting::new("api-idle-timeout", "how long a connection is kept without a request")
        .default("75s"),
    Setting::new("api-body-timeout", "time for a body, and a second more for each 64 KiB of it")
        .default("30s"),
    Setting::new("api-write-timeout", "the same for a client to read its answer").default("30s"),
    Setting::new("message-retention", "how long messages and their attempts are kept, at least 1d")
        .default("90d"),
    Setting::new("allowed-subnets", "subnets that deliveries may go to although not public")
        .default(""),
    Setting::new("allowed-ports", "ports that deliveries may go to, besides those of web servers")
        .default(""),
    Setting::new("egress-proxy", "proxy for deliveries: http, https or socks5://user:pass@host:1")
        .default("")
        .secret(),
    Setting::new("egress-proxy-file", "file that holds egress-proxy alone"),
    Setting::new("egress-no-proxy", "names, .domains and subnets delivered to without it")
        .default(""),
    Setting::new("ca-file", "PEM files with authorities that deliveries believe, too").default(""),
    Setting::new("ca-only", "whether to believe those of ca-file alone").default("false"),
    Setting::new("pre-drain", "go on accepting for so long after a signal").default("0s"),
    Setting::new("drain-timeout", "time for requests and attempts under way after a signal")
        .default("20s"),
    Setting::new("log-format", "auto, text or json").default("auto"),
    Setting::new("log-level", "filter such as info or relay=debug,info").default("info"),
];

impl Choice for Mode {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("development", Self::Development), ("production", Self::Production)];
}

impl Choice for Format {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("text", Self::Text), ("json", Self::Json)];
}

impl Choice for SignatureType {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("hmac256", Self::HmacSha256), ("ed25519", Self::Ed25519)];
}
