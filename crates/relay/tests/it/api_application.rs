//! Applications.

use serde_json::json;

use crate::api::Api;

#[linchpin_testing::test]
async fn what_is_created_is_shown() {
    let api = Api::new();
    let body = json!({
        "name": "Shop", "uid": "shop", "throttleRate": 7, "rateLimit": 9,
        "metadata": { "a": "b" }, "unknown": [1],
    });
    let created = api.post("/app", body).await.ok(201);
    assert_eq!(created["id"].as_str().unwrap().len(), 31);
    assert_eq!(
        created,
        json!({
            "id": created["id"], "uid": "shop", "name": "Shop", "throttleRate": 7, "rateLimit": 7,
            "metadata": { "a": "b" }, "createdAt": created["createdAt"], "updatedAt": created["createdAt"],
        })
    );
    for path in ["shop", created["id"].as_str().unwrap()] {
        assert_eq!(api.get(&format!("/app/{path}")).await.ok(200), created);
    }
}

#[linchpin_testing::test]
async fn unset_uid_and_rate_limit_are_left_out() {
    let api = Api::new();
    let app = api.post("/app", json!({ "name": "Shop", "metadata": null })).await.ok(201);
    let mut names: Vec<_> = app.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["createdAt", "id", "metadata", "name", "throttleRate", "updatedAt"]);
    assert_eq!((&app["throttleRate"], &app["metadata"]), (&json!(null), &json!({})));
}

#[linchpin_testing::test]
async fn a_taken_uid_is_a_conflict_unless_the_existing_one_is_wanted() {
    let api = Api::new();
    let body = json!({ "name": "Shop", "uid": "shop" });
    let first = api.post("/app", body.clone()).await.ok(201);
    api.post("/app", body.clone()).await.error(409, "conflict");
    let again = json!({ "name": "Other name", "uid": "shop" });
    assert_eq!(api.post("/app?get_if_exists=true", again).await.ok(200), first);
    api.post("/app?get_if_exists=true", json!({ "name": "New", "uid": "new" })).await.ok(201);
    api.patch("/app/new", json!({ "uid": "shop" })).await.error(409, "conflict");
    api.put("/app/new", body).await.error(409, "conflict");
}

#[linchpin_testing::test]
async fn put_replaces_or_creates_with_a_new_id() {
    let api = Api::new();
    let first = api
        .put(
            "/app/shop",
            json!({ "name": "Shop", "uid": "shop", "throttleRate": 3, "metadata": { "a": "b" } }),
        )
        .await
        .ok(201);
    let second = api.put("/app/shop", json!({ "name": "Store" })).await.ok(200);
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["createdAt"], first["createdAt"]);
    assert_eq!((second.get("uid"), &second["throttleRate"]), (None, &json!(null)));
    assert_eq!(second["metadata"], json!({}));

    let path = "/app/app_2KWPBeBvfIpdH7cf3xZi3GddiDo";
    let third = api.put(path, json!({ "name": "Third" })).await.ok(201);
    assert_ne!(third["id"], "app_2KWPBeBvfIpdH7cf3xZi3GddiDo");
    assert_eq!(third.get("uid"), None);
}

#[linchpin_testing::test]
async fn patch_tells_absent_from_null() {
    let api = Api::new();
    let body =
        json!({ "name": "Shop", "uid": "shop", "throttleRate": 3, "metadata": { "a": "b" } });
    let first = api.post("/app", body).await.ok(201);
    let path = format!("/app/{}", first["id"].as_str().unwrap());
    let same = api.patch(&path, json!({})).await.ok(200);
    for name in ["name", "uid", "throttleRate", "metadata", "createdAt"] {
        assert_eq!(same[name], first[name], "{name}");
    }
    let body = json!({ "uid": null, "throttleRate": null, "metadata": null });
    let cleared = api.patch(&path, body).await.ok(200);
    assert_eq!(cleared.get("uid"), None);
    assert_eq!((&cleared["throttleRate"], &cleared["metadata"]), (&json!(null), &json!({})));
    assert_eq!(cleared["name"], "Shop");
    let named = api.patch(&path, json!({ "name": "Store", "rateLimit": 4 })).await.ok(200);
    assert_eq!((&named["name"], &named["throttleRate"]), (&json!("Store"), &json!(4)));
    let fault = api.patch(&path, json!({ "name": null })).await;
    assert_eq!(fault.faults("value_error.jsondecode"), ["body.name"]);
}

#[linchpin_testing::test]
async fn a_deleted_application_is_gone_and_its_uid_is_free() {
    let api = Api::new();
    let id = api.app("shop").await;
    api.post("/app/shop/endpoint", json!({ "url": "https://example.com/" })).await.ok(201);
    api.delete("/app/shop").await.empty(204);
    api.get("/app/shop").await.not_found();
    api.get(&format!("/app/{id}")).await.not_found();
    api.get(&format!("/app/{id}/endpoint")).await.not_found();
    api.delete(&format!("/app/{id}")).await.not_found();
    assert_eq!(api.walk("/app", 2, "id").await, Vec::<String>::new());
    assert_eq!(api.number("SELECT count(*) FROM application").await, 1);
    assert_ne!(api.app("shop").await, id);
}

#[linchpin_testing::test]
async fn all_faults_of_a_body_are_told_at_once() {
    let api = Api::new();
    let body = json!({
        "name": "", "uid": "app_mine", "throttleRate": 0, "rateLimit": 0,
        "metadata": { "long": "x".repeat(4096) },
    });
    let places =
        ["body.name", "body.uid.__all__", "body.throttleRate", "body.rateLimit", "body.metadata"];
    assert_eq!(api.post("/app", body).await.faults("value_error"), places);
    for uid in ["", "with blank", "ümlaut", &"x".repeat(257)] {
        let reply = api.put("/app/shop", json!({ "name": "n", "uid": uid })).await;
        assert_eq!(reply.faults("value_error"), ["body.uid.__all__"], "{uid}");
    }
    let longest =
        json!({ "name": "n", "uid": "x".repeat(256), "metadata": { "m": "x".repeat(4088) } });
    api.post("/app", longest).await.ok(201);
}
