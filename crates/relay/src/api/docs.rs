//! The OpenAPI document and the page that names it.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use bytes::Bytes;
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr};

use super::error::{ErrorBody, ValidationBody};

const PAGE: &str = include_str!("docs.html");
const BEARER: &str = "bearer";
/// The headers of replies that ask to come again later, and which these are.
const LATER: [(&[&str], &str, &str); 2] = [
    (&["429", "503"], "Retry-After", "In how many seconds to come again"),
    (&["429"], "RateLimit", "The limit that is used up, and in how many seconds there is more"),
];

/// Adds what all operations share: the token, and the two shapes of errors.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("Relay")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Webhook delivery, compatible with the Svix client libraries."))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    let token = Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(token));
    for (name, schema, mut parts) in [body::<ErrorBody<'_>>(), body::<ValidationBody<'_>>()] {
        components.schemas.append(&mut parts);
        components.schemas.insert(name, schema);
    }
    document.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
    for item in document.paths.paths.values_mut() {
        let methods =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        let writes = [false, true, true, true, false];
        for (operation, writes) in methods.into_iter().zip(writes) {
            if let Some(operation) = operation {
                add_errors(operation, writes);
            }
        }
    }
    document
}

/// Adds the errors that an operation may answer by its shape: with a token, with names in its path, with a body. Those that
/// it describes itself stay.
fn add_errors(operation: &mut Operation, writes: bool) {
    let (plain, faults) = (ErrorBody::name(), ValidationBody::name());
    let is_secured = operation.security.is_none();
    let is_name = |one: &RefOr<Parameter>| matches!(one, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path);
    let names = operation.parameters.iter().flatten().any(is_name);
    let has_body = operation.request_body.is_some();
    for (applies, status, schema, text) in [
        (true, "default", &plain, "An error"),
        (
            is_secured || has_body,
            "400",
            &plain,
            "The query, the token or what came of the body is malformed",
        ),
        (is_secured, "401", &plain, "There is no token, or none that is good"),
        (is_secured, "403", &plain, "The token is one of an application, which may not do this"),
        (names, "404", &plain, "What the path names is not there, or not the caller's"),
        (writes, "409", &plain, "It is there already, or the same request is still under way"),
        (has_body, "413", &plain, "The body is larger than 1 MiB"),
        (has_body, "415", &plain, "The body is not JSON by its content type"),
        (true, "422", &faults, "What is wrong with the request, item by item"),
        (true, "429", &plain, "The caller's rate is used up"),
        (true, "503", &plain, "There is more to do than the service bears just now"),
    ] {
        if !applies {
            continue;
        }
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(&**schema))).build();
        let response =
            ResponseBuilder::new().description(text).content("application/json", content);
        let headers = LATER.iter().filter(|(of, ..)| of.contains(&status));
        let response = headers.fold(response, |response, (_, name, text)| {
            response.header(*name, HeaderBuilder::new().description(Some(*text)).build())
        });
        let listed = operation.responses.responses.entry(status.to_owned());
        listed.or_insert_with(|| response.build().into());
    }
}

/// `/`, `/docs` and `/api/v1/openapi.json`.
pub(super) fn router<S: Clone + Send + Sync + 'static>(document: &OpenApi) -> Router<S> {
    let json = Bytes::from(serde_json::to_vec(document).expect("an OpenAPI document is JSON"));
    let json = move || async move { ([(header::CONTENT_TYPE, "application/json")], json) };
    Router::new()
        .route(
            "/",
            get(|| async { (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/docs")]) }),
        )
        .route("/docs", get(|| async { axum::response::Html(PAGE) }))
        .route("/api/v1/openapi.json", get(json))
}

type Schema = utoipa::openapi::RefOr<utoipa::openapi::Schema>;

fn body<T: ToSchema>() -> (String, Schema, std::collections::BTreeMap<String, Schema>) {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    (T::name().into_owned(), T::schema(), parts.into_iter().collect())
}
