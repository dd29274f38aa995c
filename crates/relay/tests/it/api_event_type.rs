//! Event types.

use http::Method;
use serde_json::{Value, json};

use crate::api::{Api, ids, org_token};

fn body(name: &str) -> Value {
    json!({ "name": name, "description": "Paid", "schemas": { "1": { "type": "object" } } })
}

#[linchpin_testing::test]
async fn a_live_one_conflicts_and_an_archived_one_is_revived() {
    let api = Api::new();
    let first = api.post("/event-type", body("invoice.paid")).await.ok(201);
    assert_eq!(
        first,
        json!({
            "name": "invoice.paid", "description": "Paid", "archived": false, "deprecated": false,
            "schemas": { "1": { "type": "object" } },
            "createdAt": first["createdAt"], "updatedAt": first["updatedAt"],
        })
    );
    api.post("/event-type", body("invoice.paid")).await.error(409, "event_type_exists");
    api.delete("/event-type/invoice.paid").await.empty(204);
    assert_eq!(api.get("/event-type/invoice.paid").await.ok(200)["archived"], true);

    let revived = json!({ "name": "invoice.paid", "description": "again" });
    let revived = api.post("/event-type", revived).await.ok(201);
    assert_eq!((&revived["archived"], &revived["schemas"]), (&json!(false), &json!(null)));
    assert_eq!(
        (&revived["description"], &revived["createdAt"]),
        (&json!("again"), &first["createdAt"])
    );
}

/// What is kept in parts is one flat object on the wire, and described as one.
#[linchpin_testing::test]
async fn a_reply_is_flat_and_as_it_is_described() {
    let api = Api::new();
    let put = r#"{"description":"Paid","schemas":{"1":{"type":"object"}},"featureFlag":"beta","featureFlags":["a"],"groupName":"g"}"#;
    let put: Value = serde_json::from_str(put).unwrap();
    let reply = api.put("/event-type/a.b", put).await;
    let time = reply.json()["createdAt"].clone();
    let text = format!(
        "{}{},\"updatedAt\":{}}}",
        r#"{"name":"a.b","description":"Paid","archived":false,"deprecated":false,"schemas":{"1":{"type":"object"}},"featureFlag":"beta","featureFlags":["a"],"groupName":"g","createdAt":"#,
        time,
        time,
    );
    assert_eq!(String::from_utf8_lossy(&reply.body), text);

    let token = org_token(api.org);
    let document = api.raw(Method::GET, "/openapi.json", &token, &[], "").await.ok(200);
    let described = &document["components"]["schemas"]["EventTypeOut"];
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut shown = members(&reply.json());
    shown.sort_unstable();
    let mut properties = members(&described["properties"]);
    properties.sort_unstable();
    assert_eq!(properties, shown);
    let required = ["name", "description", "archived", "deprecated", "createdAt", "updatedAt"];
    assert_eq!(described["required"], json!(required));
}

#[linchpin_testing::test]
async fn archived_ones_and_schemas_are_listed_on_request() {
    let api = Api::new();
    for name in ["b", "a", "c"] {
        api.post("/event-type", body(name)).await.ok(201);
    }
    api.delete("/event-type/b").await.empty(204);
    let page = api.get("/event-type?order=descending").await.ok(200);
    assert_eq!(ids(&page, "name"), ["a", "c"]);
    assert_eq!(page["data"][0]["schemas"], json!(null));
    assert_eq!((&page["iterator"], &page["prevIterator"]), (&json!("c"), &json!("-a")));
    let page = api.get("/event-type?include_archived=true&with_content=true").await.ok(200);
    assert_eq!(ids(&page, "name"), ["a", "b", "c"]);
    assert_eq!(page["data"][0]["schemas"], json!({ "1": { "type": "object" } }));
}

#[linchpin_testing::test]
async fn expunge_removes_the_row() {
    let api = Api::new();
    api.post("/event-type", body("a")).await.ok(201);
    api.delete("/event-type/a?expunge=true").await.empty(204);
    api.get("/event-type/a").await.not_found();
    api.delete("/event-type/a").await.not_found();
    assert_eq!(api.number("SELECT count(*) FROM event_type").await, 0);
}

#[linchpin_testing::test]
async fn put_and_patch_change_it() {
    let api = Api::new();
    let put = json!({ "description": "", "featureFlag": "beta", "deprecated": true });
    let first = api.put("/event-type/a", put).await.ok(201);
    assert_eq!((&first["featureFlag"], &first["deprecated"]), (&json!("beta"), &json!(true)));
    let same = api.patch("/event-type/a", json!({})).await.ok(200);
    assert_eq!(same["featureFlag"], "beta");
    let cleared =
        api.patch("/event-type/a", json!({ "featureFlag": null, "archived": true })).await.ok(200);
    assert_eq!((cleared.get("featureFlag"), &cleared["archived"]), (None, &json!(true)));
    let replaced = api.put("/event-type/a", json!({ "description": "new" })).await.ok(200);
    assert_eq!((&replaced["archived"], &replaced["deprecated"]), (&json!(false), &json!(false)));
    let fault = api.patch("/event-type/a", json!({ "archived": null })).await;
    assert_eq!(fault.faults("value_error.jsondecode"), ["body.archived"]);
    api.patch("/event-type/b", json!({})).await.not_found();
}

#[linchpin_testing::test]
async fn names_are_checked_and_a_leading_minus_is_refused() {
    let api = Api::new();
    for name in ["", "-a", "a b", "ä", &"x".repeat(257)] {
        let reply = api.post("/event-type", body(name)).await;
        assert_eq!(reply.faults("value_error"), ["body.name.__all__"], "{name}");
    }
    let reply = api.put("/event-type/-a", json!({ "description": "" })).await;
    assert_eq!(reply.faults("value_error"), ["path.event_type_name.__all__"]);
    let reply = api.post("/event-type", json!({ "name": "a" })).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.."]);
    for schema in [json!(7), json!({ "type": "banana" }), json!({ "$ref": "#/definitions/none" })] {
        let schemas = json!({ "name": "a", "description": "", "schemas": { "1": schema } });
        assert_eq!(
            api.post("/event-type", schemas).await.faults("value_error"),
            ["body.schemas.1"]
        );
    }
}

#[linchpin_testing::test]
async fn schemas_are_nested_no_deeper_than_clients_parse_a_list_of_them() {
    let api = Api::new();
    // The map of versions is the first level.
    let nested = |depth: usize| {
        let schema = (2..depth).fold(json!({}), |inner, _| json!({ "x": inner }));
        json!({ "name": "deep", "description": "", "schemas": { "1": schema } })
    };
    assert_eq!(api.post("/event-type", nested(125)).await.faults("value_error"), ["body.schemas"]);
    api.post("/event-type", nested(124)).await.ok(201);
    api.get("/event-type?with_content=true").await.ok(200);
}
