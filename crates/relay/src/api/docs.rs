//! The OpenAPI document and the page that names it.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use bytes::Bytes;
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, InfoBuilder, OpenApi, Ref};

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
    let operations = document.paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
    });
    for operation in operations {
        for (status, schema, text) in [
            ("default", ErrorBody::name(), "An error"),
            ("422", ValidationBody::name(), "What is wrong with the request, item by item"),
            ("429", ErrorBody::name(), "The caller's rate is used up"),
            ("503", ErrorBody::name(), "There is more to do than the service bears just now"),
        ] {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
            let response =
                ResponseBuilder::new().description(text).content("application/json", content);
            let headers = LATER.iter().filter(|(of, ..)| of.contains(&status));
            let response = headers.fold(response, |response, (_, name, text)| {
                response.header(*name, HeaderBuilder::new().description(Some(*text)).build())
            });
            operation.responses.responses.insert(status.to_owned(), response.build().into());
        }
    }
    document
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
