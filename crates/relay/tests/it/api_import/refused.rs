//! Documents that are refused, and what is said of them.

use serde_json::{Value, json};

use super::{BOOKS, PATH, of, webhooks};
use crate::api::{Api, Reply};

/// Refused at `place`, with `why` in what is told.
async fn refused(api: &Api, body: &Value, place: &str, why: &str) {
    let reply = api.post(PATH, body.clone()).await;
    assert_eq!(reply.faults("value_error"), [place], "{why}");
    let told = message(&reply);
    assert!(told.contains(why), "{told}");
    assert!(told.len() < 1000, "{} bytes", told.len());
}

fn message(reply: &Reply) -> String {
    reply.json()["detail"][0]["msg"].as_str().unwrap().to_owned()
}

async fn nothing_was_kept(api: &Api) {
    assert_eq!(api.number("SELECT count(*) FROM event_type").await, 0);
}

#[linchpin_testing::test]
async fn there_is_one_document() {
    let api = Api::new();
    let spec = webhooks(&json!({ "a": { "post": {} } }));
    for body in [
        json!({}),
        json!({ "spec": null, "dryRun": true }),
        json!({ "spec": spec, "specRaw": BOOKS }),
        json!({ "spec": spec, "specRaw": "" }),
    ] {
        let reply = api.post(PATH, body).await;
        reply.error(400, "generic_error");
        let told = reply.json()["detail"].to_string();
        assert!(told.contains("specRaw"), "{told}");
    }
    nothing_was_kept(&api).await;
}

#[linchpin_testing::test]
async fn a_text_is_an_openapi_document() {
    let api = Api::new();
    for (text, why) in [
        ("", "`openapi` must begin with 3"),
        ("just words", "`openapi` must begin with 3"),
        ("7", "`openapi` must begin with 3"),
        ("swagger: '2.0'\nx-webhooks: {a: {post: {}}}", "`openapi` must begin with 3"),
        ("{\"openapi\": \"3.1.0\", ", "must be JSON or YAML: EOF"),
        ("a: [1", "must be JSON or YAML: "),
        ("a: 1\na: 2", "duplicate mapping key `a`"),
        ("a:\n\tb: 1", "line 2"),
        ("openapi: 3.1.0\n---\nopenapi: 3.1.0", "single YAML document"),
        ("a: &a {b: *a}", "must be JSON or YAML: "),
        ("a: .inf", "not a finite number"),
    ] {
        refused(&api, &json!({ "specRaw": text }), "body.specRaw", why).await;
    }
    for spec in [json!({}), json!([]), json!("openapi: 3.1.0"), json!({ "openapi": "2.0" })] {
        let why = "`openapi` must begin with 3";
        refused(&api, &json!({ "spec": spec }), "body.spec", why).await;
    }
    let reply = api.post(PATH, json!({ "specRaw": 7 })).await;
    assert_eq!(reply.faults("value_error.jsondecode"), ["body.specRaw"]);
    nothing_was_kept(&api).await;
}

#[linchpin_testing::test]
async fn a_document_has_webhooks_with_names_and_operations() {
    let api = Api::new();
    let flags: Vec<_> = (0..11).map(|n| format!("f{n}")).collect();
    for (given, place, why) in [
        (json!({}), "", "`webhooks` or `x-webhooks`"),
        (json!(null), "", "`webhooks` or `x-webhooks`"),
        (json!({ "order placed": { "post": {} } }), ".webhooks.order placed.__all__", "pattern"),
        (json!({ "": { "post": {} } }), ".webhooks..__all__", "empty"),
        (json!({ "-a": { "post": {} } }), ".webhooks.-a.__all__", "begin with `-`"),
        (json!({ "a": {} }), ".webhooks.a", "must have an operation"),
        (json!({ "a": 7 }), ".webhooks.a", "must have an operation"),
        (
            json!({ "a": { "post": { "x-svix-group-name": "a b" } } }),
            ".webhooks.a.post.x-svix-group-name.__all__",
            "pattern",
        ),
        (
            json!({ "a": { "post": { "x-svix-feature-flag": 7 } } }),
            ".webhooks.a.post.x-svix-feature-flag",
            "string",
        ),
        (
            json!({ "a": { "x-svix-feature-flags": flags, "post": {} } }),
            ".webhooks.a.post.x-svix-feature-flags",
            "at most 10",
        ),
    ] {
        let spec = json!({ "spec": webhooks(&given) });
        refused(&api, &spec, &format!("body.spec{place}"), why).await;
    }
    let spec = webhooks(&json!([]));
    let reply = api.post(PATH, json!({ "spec": spec })).await;
    assert_eq!(reply.faults("value_error"), ["body.spec.webhooks", "body.spec"]);
    let many: serde_json::Map<_, _> =
        (0..1001).map(|n| (format!("w{n}"), json!({ "post": {} }))).collect();
    let spec = json!({ "spec": webhooks(&many.into()) });
    refused(&api, &spec, "body.spec", "at most 1000 webhooks, has 1001").await;
    nothing_was_kept(&api).await;
}

/// One that is wrong keeps all others out, and each that is wrong is told.
#[linchpin_testing::test]
async fn an_import_is_whole_or_not_at_all() {
    let api = Api::new();
    let spec = webhooks(&json!({ "a": { "post": {} }, "b c": { "post": {} }, "d": {} }));
    let reply = api.post(PATH, json!({ "spec": spec })).await;
    let places = ["body.spec.webhooks.b c.__all__", "body.spec.webhooks.d"];
    assert_eq!(reply.faults("value_error"), places);
    nothing_was_kept(&api).await;
}

#[linchpin_testing::test]
async fn references_lead_somewhere_in_the_document() {
    let api = Api::new();
    let schema = "body.spec.webhooks.a.post.requestBody.content.application/json.schema";
    let to = |reference: &str| of(&json!({ "properties": { "x": { "$ref": reference } } }));
    let long = format!("#/{}", "x".repeat(5000));
    for (item, place, why) in [
        (to("https://example.com/a.json"), schema, "outside of the document"),
        (to("other.yaml#/A"), schema, "outside of the document"),
        (to("#/components/schemas/None"), schema, "which is not in the document"),
        (to("#"), schema, "no place in the document"),
        (to("#anchor"), schema, "no place in the document"),
        (to("#/%ff"), schema, "outside of the document"),
        (to(&long), schema, "which is longer than 1000 bytes"),
        (
            to("#/components/schemas/Loop"),
            schema,
            "`#/components/schemas/Loop`, which refers to itself",
        ),
        (of(&json!({ "$ref": "#/components/schemas/Loop" })), schema, "which refers to itself"),
        (
            to("#/components/schemas/Bad"),
            schema,
            "`#/components/schemas/Bad` must be a JSON Schema, draft 7",
        ),
        (
            of(&json!({ "type": "banana" })),
            schema,
            "draft 7: value is not valid under any of the schemas listed in the 'anyOf' keyword at `/type`",
        ),
        (of(&json!({ "pattern": "(" })), schema, "draft 7"),
        (of(&json!(7)), schema, "draft 7"),
        (
            json!({ "$ref": "https://example.com/" }),
            "body.spec.webhooks.a",
            "outside of the document",
        ),
        (json!({ "$ref": "#/webhooks/a" }), "body.spec.webhooks.a", "refers to itself"),
        (
            json!({ "post": { "requestBody": { "$ref": "#/nowhere" } } }),
            "body.spec.webhooks.a.post.requestBody",
            "not in the document",
        ),
    ] {
        let mut spec = webhooks(&json!({ "a": item }));
        spec["components"]["schemas"] = json!({
            "Loop": { "$ref": "#/components/schemas/Pool" },
            "Pool": { "$ref": "#/components/schemas/Loop" },
            "Bad": { "minimum": "one" },
        });
        refused(&api, &json!({ "spec": spec }), place, why).await;
    }
    nothing_was_kept(&api).await;
}

#[linchpin_testing::test]
async fn what_is_large_only_when_it_is_unfolded_is_refused() {
    let api = Api::new();
    let head = "openapi: 3.1.0\nwebhooks: {a: {post: {}}}\n";
    // Nine times nine times .. a text, and a long text ten thousand times.
    let levels = (1..12).map(|level| {
        let below = vec![format!("*l{}", level - 1); 9].join(", ");
        format!("l{level}: &l{level} [{below}]")
    });
    let laughs = format!("{head}l0: &l0 [x, x, x]\n{}", levels.collect::<Vec<_>>().join("\n"));
    let long =
        format!("{head}a: &a {}\nb: [{}]", "x".repeat(100_000), vec!["*a"; 10_000].join(","));
    let flow = format!("{head}a: {}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let block = format!("{head}a:\n  {}1", "- ".repeat(10_000));
    for bomb in [laughs, long, flow, block] {
        let reply = api.post(PATH, json!({ "specRaw": bomb })).await;
        assert_eq!(reply.faults("value_error"), ["body.specRaw"], "{}", &bomb[..60]);
        let told = message(&reply);
        assert!(told.len() < 1000, "{told}");
    }

    // One description, and one example, for every webhook.
    let long = "x".repeat(100_000);
    let example = json!({ "application/json": { "schema": {}, "example": long } });
    for item in [
        json!({ "description": long, "post": {} }),
        json!({ "post": { "requestBody": { "content": example } } }),
    ] {
        let items: serde_json::Map<_, _> =
            (0..100).map(|n| (format!("w{n}"), json!({ "$ref": "#/item" }))).collect();
        let mut spec = webhooks(&items.into());
        spec["item"] = item;
        let reply = api.post(PATH, json!({ "spec": spec })).await;
        assert_eq!(reply.faults("value_error").len(), 1);
        assert!(message(&reply).contains("larger than 8388608 bytes altogether"));
    }

    // Every component, again for every webhook.
    let components: serde_json::Map<_, _> = (0..300)
        .map(|n| {
            let next = format!("#/components/schemas/C{}", (n + 1) % 300);
            let text = "x".repeat(100);
            (
                format!("C{n}"),
                json!({ "description": text, "properties": { "n": { "$ref": next } } }),
            )
        })
        .collect();
    let item = of(&json!({ "$ref": "#/components/schemas/C0" }));
    let items: serde_json::Map<_, _> = (0..500).map(|n| (format!("w{n}"), item.clone())).collect();
    let mut spec = webhooks(&items.into());
    spec["components"]["schemas"] = components.into();
    let reply = api.post(PATH, json!({ "spec": spec })).await;
    assert_eq!(reply.faults("value_error").len(), 1);
    assert!(message(&reply).contains("larger than 8388608 bytes altogether"));

    // As deep as a schema may be, and one deeper: the map of versions is the first level.
    let nested = |depth: usize| {
        let schema = (2..depth).fold(json!({}), |inner, _| json!({ "not": inner }));
        json!({ "openapi": "3.1.0", "webhooks": { "deep": { "$ref": "#/a" } }, "a": of(&schema) })
    };
    let deep = json!({ "specRaw": nested(117).to_string(), "dryRun": true });
    api.post(PATH, deep).await.ok(200);
    // YAML is nested no deeper than its parser bears; the document is the first level.
    for (depth, status) in [(47, 200), (48, 422)] {
        let text = format!("{head}x: {}{}", "[".repeat(depth), "]".repeat(depth));
        let reply = api.post(PATH, json!({ "specRaw": text, "dryRun": true })).await;
        assert_eq!(reply.status, status, "{depth}");
    }
    let reply = api.post(PATH, json!({ "specRaw": nested(130).to_string() })).await;
    assert_eq!(reply.faults("value_error"), ["body.specRaw"]);
    let reply = api.post(PATH, json!({ "spec": nested(130) })).await;
    assert_eq!(reply.faults("value_error.jsondecode").len(), 1);
    api.post(PATH, json!({ "specRaw": "x".repeat(1 << 20) })).await.error(413, "payload_too_large");
    nothing_was_kept(&api).await;
}

/// What a document costs goes by its bytes, however its parts refer to each other.
#[linchpin_testing::test]
async fn what_is_long_only_when_it_is_followed_is_refused() {
    let api = Api::new();
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let with = |schema: &Value, components: Value| {
        let mut spec = webhooks(&json!({ "a": of(schema) }));
        spec["components"]["schemas"] = components;
        spec
    };
    let schema = "body.spec.webhooks.a.post.requestBody.content.application/json.schema";

    // A long way, from every place.
    let way = |steps: usize| {
        let mut components: serde_json::Map<_, _> =
            (0..steps).map(|n| (format!("C{n}"), reference(&format!("C{}", n + 1)))).collect();
        components.insert(format!("C{steps}"), json!({}));
        let places = vec![reference("C0"); 5_000];
        with(&json!({ "anyOf": places }), components.into())
    };
    api.post(PATH, json!({ "spec": way(16), "dryRun": true })).await.ok(200);
    for steps in [17, 5_000] {
        let why = "`#/components/schemas/C0`, which leads on more than 16 times";
        refused(&api, &json!({ "spec": way(steps) }), schema, why).await;
    }

    // A long name, from every place.
    let named = |bytes: usize| {
        let name = "x".repeat(bytes - "#/components/schemas/".len());
        let components = json!({ "A": reference(&name), name: {} });
        with(&json!({ "anyOf": vec![reference("A"); 100] }), components)
    };
    api.post(PATH, json!({ "spec": named(1000), "dryRun": true })).await.ok(200);
    let why = "which is longer than 1000 bytes";
    refused(&api, &json!({ "spec": named(1001) }), schema, why).await;

    // One that is wrong at its end, for every webhook.
    let mut properties: serde_json::Map<_, _> =
        (0..10_000).map(|n| (format!("p{n}"), json!({ "type": "string" }))).collect();
    properties.insert("z".to_owned(), json!({ "minimum": "one" }));
    let bad = json!({ "properties": properties });
    let items = (0..1000).map(|n| (format!("w{n}"), json!({ "$ref": "#/item" })));
    let mut spec = webhooks(&items.collect::<serde_json::Map<_, _>>().into());
    spec["item"] = of(&reference("Bad"));
    spec["components"]["schemas"]["Bad"] = bad;
    let reply = api.post(PATH, json!({ "spec": spec })).await;
    assert!(reply.faults("value_error").len() < 50, "{}", reply.faults("value_error").len());

    // Flags without end, for every webhook.
    let flags: Vec<_> = (0..50_000).map(|n| format!("flag{n}")).collect();
    spec["item"] = json!({ "x-svix-feature-flags": flags, "post": {} });
    let reply = api.post(PATH, json!({ "spec": spec })).await;
    assert!(reply.faults("value_error").len() < 50, "{}", reply.faults("value_error").len());
    nothing_was_kept(&api).await;
}

#[linchpin_testing::test]
async fn names_that_look_alike_are_told_apart() {
    let api = Api::new();
    // Three signs each, which all become the same.
    let signs: Vec<char> = "!\"$&'()*+,:;<=>?@[]^`{|}".chars().collect();
    let count = signs.len();
    let names: Vec<String> = (0..5_000)
        .map(|n| {
            [n % count, n / count % count, n / count / count].map(|n| signs[n]).iter().collect()
        })
        .collect();
    let components: serde_json::Map<_, _> =
        names.iter().map(|name| (name.clone(), json!({}))).collect();
    let places = names.iter().map(|name| json!({ "$ref": format!("#/components/schemas/{name}") }));
    let schema = json!({ "anyOf": places.collect::<Vec<_>>() });
    let mut spec = webhooks(&json!({ "a": of(&schema) }));
    spec["components"]["schemas"] = components.into();
    api.post(PATH, json!({ "spec": spec })).await.ok(200);
    let kept = api.get("/event-type/a").await.ok(200);
    let definitions = kept["schemas"]["1"]["definitions"].as_object().unwrap();
    assert_eq!(definitions.len(), 5_000);
    assert!(definitions.contains_key("___") && definitions.contains_key("____5000"));
}
