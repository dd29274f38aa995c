//! Every list can be walked to its end and back.

use serde_json::{Value, json};

use super::super::sdk::api::{
    ApplicationListOptions, EndpointListOptions, EventTypeListOptions,
    MessageAttemptListAttemptedDestinationsOptions, MessageAttemptListAttemptedMessagesOptions,
    MessageAttemptListByEndpointOptions, MessageAttemptListByMsgOptions, MessageListOptions,
};
use super::client::{Bench, input, view};

#[linchpin_testing::test]
async fn lists_are_walked_forward_to_done_and_back_to_the_beginning() {
    let bench = Bench::start(&[]).await;
    let svix = &bench.svix;
    let app = bench.application().await;
    let mut apps = vec![app.clone()];
    let mut types = Vec::new();
    let mut endpoints = Vec::new();
    let mut messages = Vec::new();
    for n in 0..5 {
        apps.push(bench.application().await);
        let event_type = json!({ "name": format!("type.{n}"), "description": "" });
        types.push(svix.event_type().create(input(event_type), None).await.expect("create").name);
        endpoints.push(bench.endpoint(&app, &format!("/{n}"), json!({})).await);
    }
    for n in 0..5 {
        messages
            .push(bench.message(&app, json!({ "eventType": "a", "payload": { "n": n } })).await);
    }
    bench.settled().await;

    let listed = walk(async |iterator| {
        let options = ApplicationListOptions { limit: Some(2), iterator, ..Default::default() };
        view(&svix.application().list(Some(options)).await.expect("list"))
    })
    .await;
    apps.sort_unstable();
    assert_eq!(listed, apps, "ascending");

    let listed = walk(async |iterator| {
        let options = EventTypeListOptions { limit: Some(2), iterator, ..Default::default() };
        view(&svix.event_type().list(Some(options)).await.expect("list"))
    })
    .await;
    assert_eq!(listed, types, "by name");

    let listed = walk(async |iterator| {
        let options = EndpointListOptions { limit: Some(2), iterator, ..Default::default() };
        view(&svix.endpoint().list(app.clone(), Some(options)).await.expect("list"))
    })
    .await;
    assert_eq!(listed, descending(endpoints.clone()));

    let listed = walk(async |iterator| {
        let options = MessageListOptions { limit: Some(2), iterator, ..Default::default() };
        view(&svix.message().list(app.clone(), Some(options)).await.expect("list"))
    })
    .await;
    assert_eq!(listed, descending(messages.clone()));

    let attempts = svix.message_attempt();
    let listed = walk(async |iterator| {
        let options =
            MessageAttemptListByMsgOptions { limit: Some(2), iterator, ..Default::default() };
        view(
            &attempts
                .list_by_msg(app.clone(), messages[0].clone(), Some(options))
                .await
                .expect("list"),
        )
    })
    .await;
    assert_eq!((listed.len(), &listed), (5, &descending(listed.clone())));

    let listed = walk(async |iterator| {
        let options =
            MessageAttemptListByEndpointOptions { limit: Some(2), iterator, ..Default::default() };
        let page =
            attempts.list_by_endpoint(app.clone(), endpoints[0].clone(), Some(options)).await;
        view(&page.expect("list"))
    })
    .await;
    assert_eq!((listed.len(), &listed), (5, &descending(listed.clone())));

    let listed = walk(async |iterator| {
        let options = MessageAttemptListAttemptedMessagesOptions {
            limit: Some(2),
            iterator,
            ..Default::default()
        };
        let (app, endpoint) = (app.clone(), endpoints[0].clone());
        view(&attempts.list_attempted_messages(app, endpoint, Some(options)).await.expect("list"))
    })
    .await;
    assert_eq!(listed, descending(messages.clone()));

    let listed = walk(async |iterator| {
        let options = MessageAttemptListAttemptedDestinationsOptions { limit: Some(2), iterator };
        let (app, message) = (app.clone(), messages[0].clone());
        let page = attempts.list_attempted_destinations(app, message, Some(options)).await;
        view(&page.expect("list"))
    })
    .await;
    endpoints.sort_unstable();
    assert_eq!(listed, endpoints);
}

/// Walks forward by `iterator` until `done`, then back by `prevIterator`; both ways must show the same.
async fn walk(list: impl AsyncFn(Option<String>) -> Value) -> Vec<String> {
    let mut seen = Vec::new();
    let mut page = list(None).await;
    loop {
        let found = names(&page);
        assert!((1..=2).contains(&found.len()), "{page}");
        seen.extend(found);
        assert!(seen.len() <= 50, "no end: {page}");
        if page["done"] == true {
            break;
        }
        page = list(page["iterator"].as_str().map(str::to_owned)).await;
    }
    assert!(
        list(page["iterator"].as_str().map(str::to_owned)).await["data"] == json!([]),
        "past the end"
    );

    let mut back = names(&page);
    loop {
        let before = page["prevIterator"].as_str().expect("a way back").to_owned();
        page = list(Some(before)).await;
        back.splice(0..0, names(&page));
        assert!(back.len() <= seen.len(), "no beginning: {page}");
        if page["done"] == true {
            break;
        }
    }
    assert_eq!(back, seen, "back as forth");
    seen
}

/// Ids, or names for those that have no id.
fn names(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().expect("a list");
    let name = |one: &Value| {
        one.get("id").or(one.get("name")).and_then(Value::as_str).expect("a name").to_owned()
    };
    data.iter().map(name).collect()
}

fn descending(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids
}
