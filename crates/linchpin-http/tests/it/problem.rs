//! Problems: what a client reads of an error, and what it does not.

use axum::response::IntoResponse as _;
use http::StatusCode;
use http_body_util::BodyExt as _;
use linchpin::{Error, Kind};
use linchpin_http::problem::Problem;
use serde_json::{Value, json};

async fn answered(problem: Problem) -> (StatusCode, String, Value) {
    let response = problem.into_response();
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, content_type, serde_json::from_slice(&body).unwrap())
}

#[linchpin_testing::test]
async fn an_error_shows_its_kind_and_public_text_and_no_internals() {
    let error = Error::new(Kind::NotFound, "row 17 of table secret is missing")
        .with_public("no such invoice")
        .context("load invoice");
    let (status, content_type, body) = answered(Problem::from(&error)).await;
    assert_eq!(
        (status, content_type.as_str()),
        (StatusCode::NOT_FOUND, "application/problem+json")
    );
    let expected = json!({
        "type": "about:blank", "title": "Not Found", "status": 404,
        "code": "not_found", "detail": "no such invoice",
    });
    assert_eq!(body, expected);
}

#[linchpin_testing::test]
async fn an_error_without_a_public_text_shows_the_text_of_its_kind() {
    let error = Error::new(Kind::Internal, "password of the database is wrong");
    let (status, _, body) = answered(Problem::from(&error)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body["detail"], Kind::Internal.text());
    assert!(!body.to_string().contains("password"));
}

#[linchpin_testing::test]
async fn a_handler_may_fail_with_an_error_of_ours_and_a_question_mark() {
    fn load() -> Result<&'static str, Problem> {
        Err(Error::new(Kind::Unavailable, "disk 3 is full").with_public("try again later"))?
    }
    let response = load().into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let (.., body) = answered(load().unwrap_err()).await;
    assert_eq!(
        (&body["code"], &body["detail"]),
        (&json!("unavailable"), &json!("try again later"))
    );
}

#[linchpin_testing::test]
async fn joined_errors_show_the_kind_of_the_whole_and_one_text() {
    let errors = [
        Error::new(Kind::InvalidArgument, "x").with_public("no name"),
        Error::new(Kind::Internal, "password of the database is wrong"),
        linchpin::error::catch(|| panic!("password")).map(|()| 0).unwrap_err(),
    ];
    let error = Error::join(errors).unwrap().context("create account");
    let (status, _, body) = answered(Problem::from(&error)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body["detail"], Kind::Internal.text());
    assert!(!body.to_string().contains("password"));
}

#[linchpin_testing::test]
async fn a_request_is_named_when_it_is_known() {
    let problem = Problem::from_status(StatusCode::PAYLOAD_TOO_LARGE, "too much").request_id("r-1");
    let (status, _, body) = answered(problem).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!((&body["request_id"], &body["code"]), (&json!("r-1"), &json!("http")));
}

#[linchpin_testing::test]
async fn a_kind_with_a_status_that_http_does_not_name_has_a_title_all_the_same() {
    let (status, _, body) = answered(Problem::new(Kind::Cancelled, "gone")).await;
    assert_eq!((status.as_u16(), &body["title"]), (499, &json!("Error")));
}
