//! Faults come as the client's own classes of error.

use serde_json::json;

use super::client::{Bench, http_error, input, invalid};

#[linchpin_testing::test]
async fn what_is_unknown_or_another_tenants_is_not_found() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    let endpoint = bench.endpoint(&app, "/hook", json!({})).await;
    let message = bench.message(&app, json!({ "eventType": "a", "payload": {} })).await;
    let not_found = (404, "not_found".to_owned());
    let unknown = bench.svix.application().get("app_2KWPBgLlAfxdpx2AI54pPJ85f4W".into()).await;
    assert_eq!(http_error(unknown), not_found);

    let org = "org_2KWPBgLlAfxdpx2AI54pPJ85f4W";
    let token = bench.home.run(&["token", "--org", org]).await;
    let token = String::from_utf8(token.stdout).expect("UTF-8").trim().to_owned();
    let other = bench.svix.with_token(token);
    let own =
        other.application().create(input(json!({ "name": "Mine" })), None).await.expect("create");
    let list = other.application().list(None).await.expect("list");
    assert_eq!(list.data.iter().map(|one| &one.id).collect::<Vec<_>>(), [&own.id]);

    assert_eq!(http_error(other.application().get(app.clone()).await), not_found);
    assert_eq!(http_error(other.application().delete(app.clone()).await), not_found);
    assert_eq!(http_error(other.endpoint().list(app.clone(), None).await), not_found);
    assert_eq!(http_error(other.endpoint().get(app.clone(), endpoint.clone()).await), not_found);
    assert_eq!(
        http_error(other.endpoint().get_secret(app.clone(), endpoint.clone()).await),
        not_found
    );
    assert_eq!(http_error(other.endpoint().get(own.id.clone(), endpoint.clone()).await), not_found);
    assert_eq!(
        http_error(other.message().get(app.clone(), message.clone(), None).await),
        not_found
    );
    assert_eq!(
        http_error(other.message().get(own.id.clone(), message.clone(), None).await),
        not_found
    );
    let input = input(json!({ "eventType": "a", "payload": {} }));
    assert_eq!(http_error(other.message().create(app.clone(), input, None).await), not_found);
    let attempts = other.message_attempt().list_by_msg(app.clone(), message, None).await;
    assert_eq!(http_error(attempts), not_found);
    let attempts = other.message_attempt().list_by_endpoint(app.clone(), endpoint, None).await;
    assert_eq!(http_error(attempts), not_found);
    bench.svix.application().get(app).await.expect("it is still there for its owner");
}

#[linchpin_testing::test]
async fn a_body_that_breaks_the_rules_is_a_validation_error_that_says_where() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    let apps = bench.svix.application();
    let named = apps.create(input(json!({ "name": "" })), None).await;
    assert!(invalid(named)[0].starts_with("body.name"));
    let prefixed = apps.create(input(json!({ "name": "x", "uid": "app_x" })), None).await;
    assert!(invalid(prefixed)[0].starts_with("body.uid"));
    let plain =
        bench.svix.endpoint().create(app.clone(), input(json!({ "url": "ftp://x" })), None).await;
    assert!(invalid(plain)[0].starts_with("body.url"));
    let private = json!({ "url": "http://169.254.169.254/latest" });
    let private = bench.svix.endpoint().create(app.clone(), input(private), None).await;
    assert!(invalid(private)[0].starts_with("body.url"));
    let list = json!({ "eventType": "a", "payload": ["not", "an", "object"] });
    let list = bench.svix.message().create(app, input(list), None).await;
    assert!(invalid(list)[0].starts_with("body.payload"));
}

#[linchpin_testing::test]
async fn a_token_that_means_nothing_is_an_authentication_failure() {
    let bench = Bench::start(&[]).await;
    let nobody = bench.svix.with_token("testsk_nobody".into());
    let answer = http_error(nobody.application().list(None).await);
    assert_eq!(answer, (401, "authentication_failed".into()));
}
