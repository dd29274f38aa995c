//! Applications, endpoints and event types: made, read, changed, deleted.

use serde_json::json;

use super::super::sdk::api::EventTypeListOptions;
use super::super::{EVENT_TYPES, upsert_application, upsert_endpoint, upsert_event_type};
use super::client::{Bench, http_error, input, invalid, view};

#[linchpin_testing::test]
async fn an_application_is_made_found_changed_and_deleted() {
    let bench = Bench::start(&[]).await;
    let apps = bench.svix.application();
    let body = json!({ "name": "One", "uid": "one", "metadata": { "k": "v" } });
    let made = apps.create(input(body.clone()), None).await.expect("create");
    assert!(made.id.starts_with("app_") && made.id.len() == 31, "{}", made.id);
    assert_eq!((made.name.as_str(), made.uid.as_deref()), ("One", Some("one")));
    assert_eq!(made.metadata.get("k").map(String::as_str), Some("v"));
    assert_eq!(apps.get(made.id.clone()).await.expect("by id"), made);
    assert_eq!(apps.get("one".into()).await.expect("by uid"), made);

    assert_eq!(http_error(apps.create(input(body.clone()), None).await), (409, "conflict".into()));
    assert_eq!(apps.get_or_create(input(body), None).await.expect("get or create").id, made.id);
    let other = apps.get_or_create(input(json!({ "name": "Two", "uid": "two" })), None).await;
    assert_ne!(other.expect("get or create").id, made.id);

    let upserted =
        upsert_application(&bench.svix, "one", input(json!({ "name": "Uno", "uid": "one" })));
    assert_eq!(upserted.await.expect("upsert"), made.id);
    let replaced = apps.get(made.id.clone()).await.expect("get");
    assert_eq!(replaced.name, "Uno");
    assert!(replaced.metadata.is_empty(), "an upsert replaces everything");
    let fresh =
        upsert_application(&bench.svix, "three", input(json!({ "name": "3", "uid": "three" })));
    assert_eq!(fresh.await.expect("upsert"), apps.get("three".into()).await.expect("get").id);

    let patch = json!({ "name": "Eins", "uid": null, "throttleRate": 7 });
    let patched = apps.patch("one".into(), input(patch)).await.expect("patch");
    assert_eq!(
        (patched.name.as_str(), patched.uid, patched.throttle_rate),
        ("Eins", None, Some(7))
    );
    let patched = apps.patch(made.id.clone(), input(json!({ "uid": "one" }))).await.expect("patch");
    assert_eq!(
        (patched.name.as_str(), patched.throttle_rate),
        ("Eins", Some(7)),
        "absent is left alone"
    );

    apps.delete("one".into()).await.expect("delete");
    assert_eq!(http_error(apps.get(made.id.clone()).await), (404, "not_found".into()));
    let again = apps.create(input(json!({ "name": "One", "uid": "one" })), None).await;
    assert_ne!(again.expect("the uid is free again").id, made.id);
}

#[linchpin_testing::test]
async fn an_event_type_is_made_found_changed_archived_revived_and_expunged() {
    let bench = Bench::start(&[]).await;
    let types = bench.svix.event_type();
    let body = json!({ "name": "invoice.paid", "description": "first" });
    let made = types.create(input(body.clone()), None).await.expect("create");
    assert_eq!((made.name.as_str(), made.archived), ("invoice.paid", Some(false)));
    assert_eq!(
        http_error(types.create(input(body.clone()), None).await),
        (409, "event_type_exists".into())
    );

    let upserted = upsert_event_type(&bench.svix, "invoice.paid", "second").await.expect("upsert");
    assert_eq!(upserted.description, "second");
    let created = upsert_event_type(&bench.svix, "invoice.void", "third").await.expect("upsert");
    assert_eq!(created.name, "invoice.void");
    let patched = types.patch("invoice.paid".into(), input(json!({ "deprecated": true }))).await;
    let patched = patched.expect("patch");
    assert_eq!((patched.description.as_str(), patched.deprecated), ("second", true));

    types.delete("invoice.paid".into(), None).await.expect("archive");
    assert_eq!(types.get("invoice.paid".into()).await.expect("get").archived, Some(true));
    let names = async |include_archived| {
        let options = EventTypeListOptions { include_archived, ..EventTypeListOptions::default() };
        let page = types.list(Some(options)).await.expect("list");
        page.data.into_iter().map(|one| one.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None).await, ["invoice.void"]);
    assert_eq!(names(Some(true)).await, ["invoice.paid", "invoice.void"]);
    let revived = types.create(input(body), None).await.expect("an archived one is revived");
    assert_eq!((revived.archived, revived.description.as_str()), (Some(false), "first"));

    let expunge = super::super::sdk::api::EventTypeDeleteOptions { expunge: Some(true) };
    types.delete("invoice.paid".into(), Some(expunge)).await.expect("expunge");
    assert_eq!(http_error(types.get("invoice.paid".into()).await), (404, "not_found".into()));
}

#[linchpin_testing::test]
async fn an_endpoint_is_made_found_changed_and_deleted() {
    let bench = Bench::start(&[]).await;
    let app = bench.application().await;
    let endpoints = bench.svix.endpoint();
    let url = bench.receiver.url("/x");

    let mut body = json!({ "url": url, "uid": "ep", "channels": ["eu"], "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" });
    body[EVENT_TYPES] = json!(["invoice.paid"]);
    let refused = endpoints.create(app.clone(), input(body.clone()), None).await;
    assert_eq!(invalid(refused), ["body.eventTypes"], "the event type does not exist yet");
    let event_type = json!({ "name": "invoice.paid", "description": "" });
    bench.svix.event_type().create(input(event_type), None).await.expect("create");
    let made = endpoints.create(app.clone(), input(body), None).await.expect("create");
    assert!(made.id.starts_with("ep_") && made.id.len() == 30, "{}", made.id);
    assert_eq!(view(&made)[EVENT_TYPES], json!(["invoice.paid"]));
    assert_eq!(endpoints.get(app.clone(), made.id.clone()).await.expect("by id"), made);
    assert_eq!(endpoints.get(app.clone(), "ep".into()).await.expect("by uid"), made);
    let secret = endpoints.get_secret(app.clone(), "ep".into()).await.expect("secret");
    assert_eq!(secret.key, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");

    let mut patch = json!({ "description": "patched", "disabled": true });
    patch[EVENT_TYPES] = json!(null);
    let patched = endpoints.patch(app.clone(), "ep".into(), input(patch)).await.expect("patch");
    assert_eq!((patched.description.as_str(), patched.disabled), ("patched", Some(true)));
    assert_eq!(view(&patched)["channels"], json!(["eu"]), "absent is left alone");
    assert!(view(&patched)[EVENT_TYPES].is_null(), "null clears");

    let other = bench.receiver.url("/y");
    let upserted =
        upsert_endpoint(&bench.svix, &app, &made.id, other.clone()).await.expect("upsert");
    assert_eq!((upserted.id.as_str(), upserted.url.as_str()), (made.id.as_str(), other.as_str()));
    assert_eq!(
        (upserted.uid, upserted.disabled),
        (None, Some(false)),
        "an upsert replaces everything"
    );
    let kept = endpoints.get_secret(app.clone(), made.id.clone()).await.expect("secret");
    assert_eq!(kept.key, secret.key, "except the secret");
    let fresh = upsert_endpoint(&bench.svix, &app, "ep_new", url).await.expect("upsert");
    assert_ne!(fresh.id, made.id);
    let fresh = endpoints.get_secret(app.clone(), fresh.id).await.expect("secret").key;
    assert!(fresh.starts_with("whsec_") && fresh.len() >= 38, "{fresh}");

    endpoints.delete(app.clone(), made.id.clone()).await.expect("delete");
    assert_eq!(http_error(endpoints.get(app.clone(), made.id).await), (404, "not_found".into()));
    assert_eq!(http_error(endpoints.get(app, "ep".into()).await), (404, "not_found".into()));
}
