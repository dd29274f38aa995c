//! Tokens that must not be taken, made by an independent library.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use linchpin::time::Timestamp;
use relay::config::DEVELOPMENT_SECRET;
use relay::ids::DEFAULT_ORG;
use serde_json::json;

use crate::process::Home;

/// `{"alg":"none","typ":"JWT"}`
const NONE_HEADER: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";

#[linchpin_testing::test]
async fn only_a_token_with_the_right_signature_algorithm_and_age_is_taken() {
    let home = Home::new();
    let relay = home.serve(&[]).await;
    let now = Timestamp::now().as_seconds();
    let hour = 3600;
    let good = token(Algorithm::HS256, DEVELOPMENT_SECRET, now - hour, now + hour);
    let payload = good.split('.').nth(1).expect("three parts");
    let signature = good.rsplit('.').next().expect("three parts");
    let other_algorithm = token(Algorithm::HS512, DEVELOPMENT_SECRET, now - hour, now + hour);
    let tampered = {
        let other = token(Algorithm::HS256, DEVELOPMENT_SECRET, now - hour, now + 2 * hour);
        let mut parts: Vec<_> = other.split('.').collect();
        parts[2] = signature;
        parts.join(".")
    };
    let cases = [
        (
            "expired",
            format!(
                "Bearer {}",
                token(Algorithm::HS256, DEVELOPMENT_SECRET, now - 2 * hour, now - hour)
            ),
        ),
        (
            "not yet valid",
            format!(
                "Bearer {}",
                token(Algorithm::HS256, DEVELOPMENT_SECRET, now + hour, now + 2 * hour)
            ),
        ),
        (
            "another secret",
            format!(
                "Bearer {}",
                token(Algorithm::HS256, "another secret of thirty-two bytes!", now, now + hour)
            ),
        ),
        ("another algorithm", format!("Bearer {other_algorithm}")),
        ("alg none, no signature", format!("Bearer {NONE_HEADER}.{payload}.")),
        ("alg none, the signature kept", format!("Bearer {NONE_HEADER}.{payload}.{signature}")),
        ("claims changed", format!("Bearer {tampered}")),
        ("no scheme", good.clone()),
        ("another scheme", format!("Basic {good}")),
        ("empty", "Bearer ".to_owned()),
        ("the secret itself", format!("Bearer {DEVELOPMENT_SECRET}")),
    ];
    for (case, header) in cases {
        let answer = relay.call_with("GET", "/app", &[("authorization", &header)], "").await;
        assert_eq!((case, answer.status), (case, 401), "{answer:?}");
        assert_eq!((case, answer.text("code").as_str()), (case, "authentication_failed"));
    }
    relay.call_with("GET", "/app", &[], "").await.expect(401);
    let header = format!("Bearer {good}");
    relay.call_with("GET", "/app", &[("authorization", &header)], "").await.expect(200);
}

fn token(algorithm: Algorithm, secret: &str, from: i64, until: i64) -> String {
    let claims =
        json!({ "sub": DEFAULT_ORG, "iss": "test", "iat": from, "nbf": from, "exp": until });
    encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes()))
        .expect("sign")
}
