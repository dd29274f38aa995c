//! Endpoints for operational webhooks.

use http::Method;

use super::super::verb::{Column, Input, Shape, Verb};
use super::{
    CREATED, DESCRIPTION, GRACE, HEADERS_TO_SET, KEY, METADATA, ORDER, RETRIES, THROTTLE, TYPES,
    UID,
};

pub(super) const VERBS: &[Verb] = &[
    Verb::new("list", Method::GET, ALL, "List endpoints for operational webhooks")
        .with(&[ORDER])
        .shown(Shape::Pages(&[
            Column::new("ID", "/id"),
            Column::new("UID", "/uid"),
            Column::new("DISABLED", "/disabled"),
            Column::new("URL", "/url"),
            Column::new("TYPES", "/eventTypes"),
            CREATED,
        ])),
    Verb::new("get", Method::GET, ONE, "Show an endpoint"),
    Verb::new("create", Method::POST, ALL, "Make an endpoint").with(&[
        Input::text("URL", "url", "Where to send"),
        UID,
        DESCRIPTION,
        TYPES,
        THROTTLE,
        RETRIES,
        METADATA,
    ]),
    Verb::new("replace", Method::PUT, ONE, "Change all of it; what is not named goes").with(&[
        Input::text("URL", "url", "Where to send"),
        UID,
        DESCRIPTION,
        TYPES,
        Input::bool("disabled", "disabled", "Whether it gets nothing"),
        THROTTLE,
        RETRIES,
        METADATA,
    ]),
    Verb::new("delete", Method::DELETE, ONE, "Delete an endpoint"),
    Verb::new(
        "secret",
        Method::GET,
        "/operational-webhook/endpoint/{endpoint_id}/secret",
        "Show what operational webhooks are verified with",
    ),
    Verb::new(
        "rotate",
        Method::POST,
        "/operational-webhook/endpoint/{endpoint_id}/secret/rotate",
        "Sign with a new secret; the old one verifies a while longer",
    )
    .with(&[KEY, GRACE]),
    Verb::new("headers", Method::GET, HEADERS, "Show the headers that are sent along"),
    Verb::new("set-headers", Method::PUT, HEADERS, "Send these headers along, and no others")
        .with(&[HEADERS_TO_SET]),
];

const ALL: &str = "/operational-webhook/endpoint";
const HEADERS: &str = "/operational-webhook/endpoint/{endpoint_id}/headers";
const ONE: &str = "/operational-webhook/endpoint/{endpoint_id}";
