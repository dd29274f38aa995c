//! Event types from an OpenAPI document.

mod refused;

use http::Method;
use linchpin::sync::Mutex;
use linchpin::time::Timestamp;
use relay::ids::OrgId;
use serde_json::{Value, json};

use crate::api::{Api, app_token, ids, org_token};

const BOOKS: &str = include_str!("api_import/books.yaml");
const PATH: &str = "/event-type/import/openapi";

async fn import(api: &Api, body: Value) -> Value {
    api.post(PATH, body).await.ok(200)["data"].clone()
}

/// One document of version 3.1 with these webhooks.
fn webhooks(webhooks: &Value) -> Value {
    json!({ "openapi": "3.1.0", "info": { "title": "T", "version": "1" }, "webhooks": webhooks })
}

/// A webhook whose payload is this.
fn of(schema: &Value) -> Value {
    json!({ "post": { "requestBody": { "content": { "application/json": { "schema": schema } } } } })
}

async fn all(api: &Api) -> Value {
    api.get("/event-type?include_archived=true&with_content=true").await.ok(200)["data"].clone()
}

#[linchpin_testing::test]
async fn the_webhooks_of_a_document_become_event_types() {
    let api = Api::new();
    let told = import(&api, json!({ "specRaw": BOOKS })).await;
    let names = ["order.cancelled", "order.placed", "ping", "stock.low"];
    assert_eq!(told, json!({ "modified": names }));

    let placed = api.get("/event-type/order.placed").await.ok(200);
    assert_eq!(placed["description"], "Sent once the payment is reserved.");
    assert_eq!((&placed["deprecated"], &placed["groupName"]), (&json!(false), &json!("orders")));
    let cancelled = api.get("/event-type/order.cancelled").await.ok(200);
    assert_eq!(cancelled["description"], "An order was cancelled");
    assert_eq!(cancelled["deprecated"], true);
    assert_eq!(cancelled["featureFlags"], json!(["beta"]));
    let low = api.get("/event-type/stock.low").await.ok(200);
    assert_eq!(low["description"], "There is little left");
    let ping = api.get("/event-type/ping").await.ok(200);
    assert_eq!((&ping["description"], &ping["schemas"]), (&json!(""), &json!(null)));
}

/// A validator that knows the schema and nothing else says so.
#[linchpin_testing::test]
async fn a_stored_schema_stands_alone() {
    let api = Api::new();
    import(&api, json!({ "specRaw": BOOKS })).await;
    let mut judged = 0;
    for (name, good, bad) in [
        (
            "order.placed",
            json!({ "order": { "total": { "amount": 1 }, "category": { "name": "a", "within": { "name": "b" } } } }),
            json!([
                { "order": { "total": { "amount": 0 } } },
                { "order": { "total": { "amount": 1 }, "category": {} } },
                { "order": { "total": { "amount": 1 }, "category": { "name": "a", "within": { "name": 7 } } } },
                { "order": { "total": { "amount": 1 }, "category": { "name": "a", "example": 7 } } },
            ]),
        ),
        ("order.cancelled", json!({ "order": { "total": { "amount": 9 } } }), json!([{}])),
        (
            "stock.low",
            json!({ "category": { "name": "a", "example": null }, "left": 2, "$ref": "x" }),
            json!([
                { "category": { "name": "a" }, "left": 0 },
                { "category": { "within": {} }, "left": 1 },
                { "category": { "name": "a" }, "left": 1, "$ref": 7 },
            ]),
        ),
    ] {
        let kind = api.get(&format!("/event-type/{name}")).await.ok(200);
        let schema = &kind["schemas"]["1"];
        let validator = jsonschema::draft7::new(schema).unwrap();
        let whole = |mut payload: Value| {
            payload["id"] = json!("o");
            payload
        };
        assert!(validator.is_valid(&whole(good)), "{name}: {schema}");
        for bad in bad.as_array().unwrap() {
            assert!(!validator.is_valid(&whole(bad.clone())), "{name}: {bad} by {schema}");
            judged += 1;
        }
    }
    assert_eq!(judged, 8);
    // An example is data, whatever it looks like.
    let low = api.get("/event-type/stock.low").await.ok(200);
    let category = &low["schemas"]["1"]["definitions"]["Category"];
    assert_eq!(category["example"], json!({ "$ref": "#/components/schemas/Nowhere" }));
}

/// What is sent for this example.
async fn payload(api: &Api, example: Value) -> Value {
    let sent = api.post("/app/shop/endpoint/hook/send-example", example).await.ok(200);
    let path = format!("/app/shop/msg/{}", sent["id"].as_str().unwrap());
    api.get(&path).await.ok(200)["payload"].clone()
}

#[linchpin_testing::test]
async fn the_examples_of_a_document_can_be_sent() {
    let api = Api::with_hook().await;
    import(&api, json!({ "specRaw": BOOKS })).await;
    for (index, id) in [(0, "o-2"), (1, "o-1")] {
        let example = json!({ "eventType": "order.placed", "exampleIndex": index });
        let sent = payload(&api, example).await;
        assert_eq!(sent["id"], id);
        // The country, and not the opposite of yes.
        let currency = if index == 0 { "NOK" } else { "NO" };
        assert_eq!(sent["order"]["total"]["currency"], currency);
    }
    let schema = json!({ "type": "object", "example": { "n": 1 } });
    import(&api, json!({ "spec": webhooks(&json!({ "one": of(&schema) })) })).await;
    assert_eq!(payload(&api, json!({ "eventType": "one" })).await, json!({ "n": 1 }));
}

#[linchpin_testing::test]
async fn schemas_of_openapi_3_0_become_those_of_json_schema() {
    let api = Api::new();
    let schema = json!({
        "type": "object",
        "properties": {
            "price": { "type": "number", "minimum": 0, "exclusiveMinimum": true },
            "share": { "type": "number", "maximum": 1, "exclusiveMaximum": false },
            "note": { "type": "string", "nullable": true },
            // Beside a reference version 3.0 knows nothing else.
            "other": { "$ref": "#/components/schemas/Other", "maxLength": 0 },
        },
        "discriminator": { "propertyName": "note", "mapping": { "o": "#/components/schemas/Other" } },
    });
    let spec = json!({
        "openapi": "3.0.3",
        "x-webhooks": { "old": of(&schema) },
        "components": { "schemas": { "Other": { "type": "string" } } },
    });
    let told = import(&api, json!({ "spec": spec })).await;
    assert_eq!(told["modified"], json!(["old"]));
    let stored = api.get("/event-type/old").await.ok(200);
    let expected = json!({
        "type": "object",
        "properties": {
            "price": { "type": "number", "exclusiveMinimum": 0 },
            "share": { "type": "number", "maximum": 1 },
            "note": { "type": ["string", "null"] },
            "other": { "$ref": "#/definitions/Other" },
        },
        "discriminator": { "propertyName": "note", "mapping": { "o": "#/definitions/Other" } },
        "definitions": { "Other": { "type": "string" } },
    });
    assert_eq!(stored["schemas"]["1"], expected);
}

#[linchpin_testing::test]
async fn a_dry_run_changes_nothing_and_tells_what_would_come() {
    let api = Api::new();
    let before = json!({ "name": "stays", "description": "by hand" });
    api.post("/event-type", before).await.ok(201);
    import(&api, json!({ "spec": webhooks(&json!({ "ping": { "post": {} } })) })).await;
    let before = all(&api).await;

    let mut body = json!({ "specRaw": BOOKS, "dryRun": true, "replaceAll": true });
    let planned = import(&api, body.clone()).await;
    assert_eq!(all(&api).await, before);
    // With a key it is no other: the real run may have the same.
    api.post_once("key", PATH, &body.to_string()).await.ok(200);
    assert_eq!(api.number("SELECT count(*) FROM idempotency").await, 0);
    let names = ["order.cancelled", "order.placed", "stock.low", "stays"];
    assert_eq!(planned["modified"], json!(names));

    body["dryRun"] = json!(false);
    let done = import(&api, body).await;
    assert_eq!((&done["modified"], done.get("to_modify")), (&planned["modified"], None));
    let planned = planned["to_modify"].as_array().unwrap();
    assert_eq!(planned.len(), 3);
    for mut planned in planned.clone() {
        let name = planned["name"].as_str().unwrap().to_owned();
        let mut kind = api.get(&format!("/event-type/{name}")).await.ok(200);
        for member in ["createdAt", "updatedAt", "archived"] {
            kind.as_object_mut().unwrap().remove(member);
        }
        planned.as_object_mut().unwrap().entry("schemas").or_insert(Value::Null);
        assert_eq!(planned, kind);
    }
}

#[linchpin_testing::test]
async fn the_same_document_once_more_changes_nothing() {
    let api = Api::new();
    import(&api, json!({ "specRaw": BOOKS })).await;
    let before = all(&api).await;
    assert_eq!(import(&api, json!({ "specRaw": BOOKS })).await, json!({ "modified": [] }));
    assert_eq!(all(&api).await, before);
    let planned = import(&api, json!({ "specRaw": BOOKS, "dryRun": true })).await;
    assert_eq!(planned, json!({ "modified": [], "to_modify": [] }));
}

#[linchpin_testing::test]
async fn replace_all_archives_what_the_document_has_not() {
    let api = Api::new();
    for name in ["a", "b", "c"] {
        api.post("/event-type", json!({ "name": name, "description": "" })).await.ok(201);
    }
    api.delete("/event-type/a").await.empty(204);

    let spec = webhooks(&json!({ "a": { "post": { "summary": "A" } }, "d": { "post": {} } }));
    let told = import(&api, json!({ "spec": spec })).await;
    assert_eq!(told["modified"], json!(["a", "d"]), "one that is archived is revived");
    assert_eq!(ids(&api.get("/event-type").await.ok(200), "name"), ["a", "b", "c", "d"]);
    let told = import(&api, json!({ "spec": spec, "replaceAll": true })).await;
    assert_eq!(told["modified"], json!(["b", "c"]));
    assert_eq!(ids(&api.get("/event-type").await.ok(200), "name"), ["a", "d"]);
    assert_eq!(ids(&json!({ "data": all(&api).await }), "name"), ["a", "b", "c", "d"]);
}

#[linchpin_testing::test]
async fn an_import_is_of_one_organisation() {
    let api = Api::new();
    api.post("/event-type", json!({ "name": "a", "description": "" })).await.ok(201);
    let stranger = org_token(OrgId::at(Timestamp::now()));
    let spec = webhooks(&json!({ "b": { "post": {} } }));
    let body = json!({ "spec": spec, "replaceAll": true });
    let told = api.call_as(&stranger, Method::POST, PATH, body).await.ok(200);
    assert_eq!(told["data"]["modified"], json!(["b"]));
    assert_eq!(ids(&api.get("/event-type").await.ok(200), "name"), ["a"]);

    let app = api.app("shop").await;
    let token = app_token(api.org, app);
    let reply = api.call_as(&token, Method::POST, PATH, json!({ "spec": spec })).await;
    reply.error(403, "insufficient access");
}

#[linchpin_testing::test]
async fn what_a_document_does_not_say_of_groups_and_flags_stays() {
    let api = Api::new();
    let by_hand = json!({ "name": "a", "description": "", "groupName": "g", "featureFlag": "f", "featureFlags": ["x"] });
    api.post("/event-type", by_hand).await.ok(201);
    import(&api, json!({ "spec": webhooks(&json!({ "a": { "post": { "summary": "A" } } })) }))
        .await;
    let kind = api.get("/event-type/a").await.ok(200);
    assert_eq!((&kind["groupName"], &kind["featureFlag"]), (&json!("g"), &json!("f")));
    assert_eq!((&kind["featureFlags"], &kind["description"]), (&json!(["x"]), &json!("A")));

    let said = json!({ "x-svix-group-name": "h", "x-svix-feature-flag": null, "x-svix-feature-flags": ["y"] });
    import(&api, json!({ "spec": webhooks(&json!({ "a": { "post": said } })) })).await;
    let kind = api.get("/event-type/a").await.ok(200);
    assert_eq!((&kind["groupName"], kind.get("featureFlag")), (&json!("h"), None));
    assert_eq!(kind["featureFlags"], json!(["y"]));
}

#[linchpin_testing::test]
async fn a_repeat_with_the_same_key_gets_the_first_answer() {
    let api = Api::new();
    let body = json!({ "specRaw": BOOKS }).to_string();
    let first = api.post_once("key", PATH, &body).await;
    assert_eq!(first.ok(200)["data"]["modified"].as_array().unwrap().len(), 4);
    api.delete("/event-type/ping").await.empty(204);
    let again = api.post_once("key", PATH, &body).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(api.get("/event-type/ping").await.ok(200)["archived"], true, "it is done once");
    let other = json!({ "specRaw": BOOKS, "replaceAll": true }).to_string();
    let reply = api.post_once("key", PATH, &other).await;
    assert_eq!(reply.faults("idempotency_key_reused"), ["header.idempotency-key"]);
}

/// A large document takes longer than anybody else may wait, and there may be only one thread for requests.
#[linchpin_testing::test]
async fn nobody_waits_for_a_large_document() {
    let api = Api::new();
    let fields: serde_json::Map<_, _> =
        (0..10_000).map(|number| (format!("field{number}"), json!({ "type": "string" }))).collect();
    // Refused, so that nothing is done after it was read.
    let document = webhooks(&json!({ "-": of(&json!({ "properties": fields })) }));
    let order = Mutex::new(Vec::new());
    let importing = async {
        api.post(PATH, json!({ "specRaw": document.to_string() })).await.ok(422);
        order.lock().push("import");
    };
    let asking = async {
        api.get("/event-type").await.ok(200);
        order.lock().push("others");
    };
    tokio::join!(importing, asking);
    assert_eq!(order.into_inner(), ["others", "import"]);
}
