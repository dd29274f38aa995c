//! Tokens of applications: who gets them, and how they end. What they may do is in `api_capability`.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use linchpin::Context;
use linchpin::time::Timestamp;
use relay::config::DEVELOPMENT_SECRET;
use relay::ids::{AppId, DEFAULT_ORG, TokenId};
use relay::store::Scope;
use relay::store::revocation::{Issued, Revocations};
use serde_json::{Value, json};

use crate::api::{Api, SECRET, sign};
use crate::process::{Home, PATIENCE, Relay};

/// An application with an endpoint and a message to it.
pub(crate) async fn shop() -> (Api, AppId) {
    let api = Api::new();
    let app = api.app("shop").await;
    let endpoint = json!({ "url": "https://example.com/", "uid": "hook" });
    api.post("/app/shop/endpoint", endpoint).await.ok(201);
    let message = json!({ "eventType": "paid", "payload": {}, "eventId": "e1" });
    api.post("/app/shop/msg", message).await.ok(202);
    (api, app)
}

#[linchpin_testing::test]
async fn a_link_into_the_portal_has_a_token_as_it_was_asked_for() {
    let api = Api::new();
    api.post("/auth/app-portal-access/shop", json!({})).await.not_found();
    let application = json!({ "name": "Shop", "uid": "shop" });
    let access = json!({
        "application": application, "expiry": 3600, "featureFlags": ["beta"], "sessionId": "s1",
        "capabilities": ["ViewBase", "CreateAttempts"],
    });
    let access = api.post("/auth/app-portal-access/shop", access).await.ok(200);
    let token = access["token"].as_str().unwrap();
    assert_eq!(access["url"], format!("https://hooks.example.com/portal#key={token}"));
    let claims = claims(token, SECRET);
    assert_eq!(claims["sub"], api.get("/app/shop").await.ok(200)["id"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    assert_eq!(claims["feature_flags"], json!(["beta"]));
    assert_eq!(claims["relay"]["session"], "s1");
    assert_eq!(claims["relay"]["capabilities"], json!(["ViewBase", "CreateAttempts"]));

    for path in ["/auth/app-portal-access/shop", "/auth/dashboard-access/shop"] {
        let access = api.post(path, Value::Null).await.ok(200);
        let claims = self::claims(access["token"].as_str().unwrap(), SECRET);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 604_800);
        assert_eq!(claims["relay"].get("capabilities"), None, "all that it may");
    }
    for (body, places) in [
        (json!({ "expiry": 3599 }), &["body.expiry"][..]),
        (json!({ "expiry": 604_801 }), &["body.expiry"]),
        (json!({ "capabilities": ["CreateAttempts"] }), &["body.capabilities"]),
        (json!({ "featureFlags": ["a b"] }), &["body.featureFlags.[0].__all__"]),
        (json!({ "sessionId": "" }), &["body.sessionId"]),
        (json!({ "application": { "name": "" } }), &["body.application.name"]),
    ] {
        let reply = api.post("/auth/app-portal-access/shop", body).await;
        assert_eq!(reply.faults("value_error"), places);
    }
    let unknown = json!({ "capabilities": ["ViewBase", "Fly"] });
    let unknown = api.post("/auth/app-portal-access/shop", unknown).await;
    assert_eq!(unknown.faults("value_error.jsondecode"), ["body.capabilities.[1]"]);
    let other = json!({ "application": { "name": "Stall", "uid": "other" } });
    let other = api.post("/auth/app-portal-access/stall", other).await;
    assert_eq!(other.faults("application_uid_mismatch"), ["body.application.uid"]);
    api.post("/admin/redrive-dlq", Value::Null).await.empty(204);
}

/// What a token says that was signed with this secret.
fn claims(token: &str, secret: &[u8]) -> Value {
    let key = jsonwebtoken::DecodingKey::from_secret(secret);
    jsonwebtoken::decode::<Value>(token, &key, &jsonwebtoken::Validation::default()).unwrap().claims
}

#[linchpin_testing::test]
async fn a_logged_out_token_is_refused_after_a_restart_too() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[]).await;
    let access = format!("/auth/app-portal-access/{app}");
    let token = relay.call("POST", &access, "{}").await.expect(200).text("token");
    let other = relay.call("POST", &access, "{}").await.expect(200).text("token");
    let path = format!("/app/{app}");
    as_holder(&relay, &token, "GET", &path).await.expect(200);
    as_holder(&relay, &token, "POST", "/auth/logout").await.expect(204);
    as_holder(&relay, &token, "GET", &path).await.expect(401);
    as_holder(&relay, &other, "GET", &path).await.expect(200);
    relay.call("POST", "/auth/logout", "").await.expect(403);
    end(relay).await;

    let relay = home.serve(&[]).await;
    as_holder(&relay, &token, "GET", &path).await.expect(401);
    as_holder(&relay, &other, "GET", &path).await.expect(200);
    relay.call("POST", &format!("/auth/app/{app}/expire-all"), "{}").await.expect(204);
    end(relay).await;
    let relay = home.serve(&[]).await;
    as_holder(&relay, &other, "GET", &path).await.expect(401);
    relay.call("GET", &path, "").await.expect(200);
}

async fn end(mut relay: Relay) {
    relay.terminate().await;
    assert_eq!(relay.wait(PATIENCE).await.code(), Some(0), "{}", *relay);
}

async fn as_holder(
    relay: &Relay,
    token: &str,
    method: &str,
    path: &str,
) -> crate::process::http::Answer {
    relay.call_with(method, path, &[("authorization", &format!("Bearer {token}"))], "").await
}

#[linchpin_testing::test]
async fn expire_all_ends_a_session_or_all() {
    let (api, _) = shop().await;
    api.app("stall").await;
    let access = async |app: &str, session: Value| {
        let path = format!("/auth/app-portal-access/{app}");
        let access = api.post(&path, json!({ "sessionId": session })).await.ok(200);
        access["token"].as_str().unwrap().to_owned()
    };
    let status = async |token: &str, app: &str| {
        api.call_as(token, Method::GET, &format!("/app/{app}"), Value::Null).await.status
    };
    let expire = "/auth/app/shop/expire-all";
    let (one, two) = (access("shop", json!("s1")).await, access("shop", json!("s2")).await);
    let (none, elsewhere) = (access("shop", Value::Null).await, access("stall", json!("s1")).await);

    api.post(expire, json!({ "sessionIds": ["s1", "s9"] })).await.empty(204);
    let new = access("shop", json!("s1")).await;
    for (token, wanted) in [(&one, 401), (&two, 200), (&none, 200), (&new, 200)] {
        assert_eq!(status(token, "shop").await, wanted);
    }
    // In an hour, and not at once; and what is made meanwhile does not end.
    api.post(expire, json!({ "expiry": 3600 })).await.empty(204);
    assert_eq!(status(&two, "shop").await, 200);
    let newer = access("shop", Value::Null).await;

    let said = api.post_once("k", expire, "{}").await;
    said.empty(204);
    for token in [&one, &two, &none, &new, &newer] {
        assert_eq!(status(token, "shop").await, 401);
    }
    let newest = access("shop", json!("s1")).await;
    let again = api.post_once("k", expire, "{}").await;
    again.empty(204);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!((status(&newest, "shop").await, status(&elsewhere, "stall").await), (200, 200));

    api.post("/auth/app/nope/expire-all", json!({})).await.not_found();
    for (body, place) in [
        (json!({ "expiry": -1 }), "body.expiry"),
        (json!({ "expiry": 604_801 }), "body.expiry"),
        (json!({ "sessionIds": [""] }), "body.sessionIds"),
    ] {
        assert_eq!(api.post(expire, body).await.faults("value_error"), [place]);
    }
}

#[linchpin_testing::test]
async fn what_is_to_expire_does_when_its_time_has_come_and_is_forgotten_later() {
    let (api, app) = shop().await;
    let ctx = Context::root();
    let scope = || Scope { org: api.org, only: None, app: "shop".into() };
    let revocations = Revocations::new(&api.database);
    let at = |seconds: u64| Timestamp::now() + Duration::from_secs(seconds);
    let token = |session: Option<&str>| Issued {
        app: (api.org, app),
        id: Some(TokenId::at(Timestamp::now())),
        at: Timestamp::now(),
        until: at(100),
        session: session.map(str::to_owned),
    };
    let expire = async |sessions: &[&str], seconds| {
        let sessions: BTreeSet<_> = sessions.iter().map(|one| (*one).to_owned()).collect();
        let after = Duration::from_secs(seconds);
        revocations.expire(&ctx, scope(), (sessions, after), None).await.unwrap();
    };
    let first = token(None);
    expire(&[], 60).await;
    let second = token(None);
    expire(&[], 120).await;
    let third = token(Some("s"));
    expire(&["s"], 0).await;
    let fourth = token(Some("s"));
    revocations.revoke(&ctx, &fourth).await.unwrap();

    let read = Revocations::new(&api.database);
    read.load(&ctx).await.unwrap();
    for known in [&revocations, &read] {
        let refused = |seconds| {
            [&first, &second, &third, &fourth].map(|token| known.refuses(token, at(seconds)))
        };
        assert_eq!(refused(0), [false, false, true, true]);
        assert_eq!(refused(61), [true, false, true, true]);
        assert_eq!(refused(121), [true, true, true, true]);
    }
    // Once the later one is in force, the earlier one says nothing more.
    expire(&[], 0).await;
    assert_eq!(api.number("SELECT count(*) FROM token_floor WHERE session = ''").await, 1);
    assert!(revocations.refuses(&second, at(0)));

    let week = 7 * 24 * 3600 + 3600;
    let prune = |seconds| {
        let (now, revocations) = (at(seconds), revocations.clone());
        revocations.forget(now);
        api.database.writer().submit(&ctx, move |tx| relay::store::revocation::prune(tx, now, 10))
    };
    assert_eq!(prune(100 + 800).await.unwrap(), 0, "within the leeway");
    assert!(revocations.refuses(&fourth, at(0)) && revocations.refuses(&third, at(0)));
    assert_eq!(prune(week).await.unwrap(), 1);
    assert_eq!(api.number("SELECT count(*) FROM token_floor").await, 1, "of all tokens");
    let fifth = Issued { session: None, at: at(10), ..fourth.clone() };
    assert!(!revocations.refuses(&fifth, at(20)), "its id is forgotten");
    assert!(revocations.refuses(&first, at(0)));
}

#[linchpin_testing::test]
async fn an_application_token_needs_an_exp() {
    let (api, app) = shop().await;
    let (sub, org) = (app.to_string(), api.org.to_string());
    let get = async |claims: &Value| {
        api.call_as(&sign(claims), Method::GET, "/app/shop", Value::Null).await
    };
    let reply = get(&json!({ "sub": sub, "org": org })).await;
    reply.error(400, "bad token");
    assert!(reply.json()["detail"].as_str().unwrap().contains("`exp`"));
    let exp = Timestamp::now().as_seconds() + 60;
    let old = json!({ "sub": sub, "org": org, "exp": exp });
    get(&old).await.ok(200);
    // Tokens of others have claims of others.
    get(&json!({ "sub": sub, "org": org, "exp": exp, "jti": 7 })).await.ok(200);
    get(&json!({ "sub": sub, "org": org, "exp": exp, "jti": "uuid", "session": [] })).await.ok(200);
    let logout = api.call_as(&sign(&old), Method::POST, "/auth/logout", Value::Null).await;
    logout.error(400, "token_without_id");
    api.post("/auth/app/shop/expire-all", Value::Null).await.empty(204);
    get(&old).await.error(401, "authentication_failed");
}

#[linchpin_testing::test]
async fn an_old_secret_still_verifies() {
    const NEW: &str = "d4f1c6a80b7e4e39a2c5f9137e608d1b";
    let home = Home::new();
    let org = format!("Bearer {}", org_token());
    let call = async |relay: &Relay| {
        relay.call_with("GET", "/app", &[("authorization", &org)], "").await.status
    };
    let flags = ["--jwt-secret", NEW, "--jwt-old-secrets"];
    let both = format!("another-{NEW}, {DEVELOPMENT_SECRET}");
    let relay = home.serve(&[&flags[..], &[&both]].concat()).await;
    assert_eq!(call(&relay).await, 200);
    relay.call("GET", "/app", "").await.expect(200);
    end(relay).await;
    let relay = home.serve(&flags[..2]).await;
    assert_eq!(call(&relay).await, 401);
    relay.call("GET", "/app", "").await.expect(200);

    let variables = [("RELAY_MODE", "production"), ("RELAY_JWT_SECRET", NEW)];
    let weak = [&variables[..], &[("RELAY_JWT_OLD_SECRETS", DEVELOPMENT_SECRET)]].concat();
    let refused = home.run_with(&["check-config"], &weak).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("jwt-old-secrets") && said.contains("everybody knows"), "{said}");
}

/// Of the default organisation, signed with the secret of development.
fn org_token() -> String {
    let exp = Timestamp::now().as_seconds() + 600;
    let key = jsonwebtoken::EncodingKey::from_secret(DEVELOPMENT_SECRET.as_bytes());
    let claims = json!({ "sub": DEFAULT_ORG, "exp": exp });
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("sign")
}

#[linchpin_testing::test]
async fn the_command_makes_tokens_with_limits() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let (app, _) = relay.application(&[]).await;
    let make = async |flags: &[&str]| home.run(&[&["token", "--app", &app], flags].concat()).await;
    let made = make(&["--read-only", "--flags", "a,b", "--session", "s"]).await;
    let token = String::from_utf8(made.stdout).expect("text").trim().to_owned();
    let claims = claims(&token, DEVELOPMENT_SECRET.as_bytes());
    assert_eq!(claims["feature_flags"], json!(["a", "b"]));
    assert_eq!(claims["relay"]["capabilities"], json!(["ViewBase"]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 604_800);
    as_holder(&relay, &token, "GET", &format!("/app/{app}/endpoint")).await.expect(200);
    as_holder(&relay, &token, "POST", &format!("/app/{app}/endpoint")).await.expect(403);
    for (flags, wanted) in [
        (&["--capabilities", "ViewBase,Fly"][..], "expected some of ViewBase"),
        (&["--capabilities", "CreateAttempts"], "ViewBase must be among them"),
        (&["--session", "s", "--life", "8d"], "7d at most"),
    ] {
        let refused = make(flags).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(wanted), "{flags:?}: {said}");
    }
    let alone = home.run(&["token", "--session", "s"]).await;
    assert_eq!(alone.status.code(), Some(2), "{alone:?}");
}
