//! Tokens: what is issued, what is accepted, what is refused and why.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use linchpin::time::Timestamp;
use linchpin::{Error, Kind};
use linchpin_security::jwt::{Algorithm, Issuer, Keys, Verifier, VerifyError};
use serde_json::{Value, json};
use std::time::Duration;

const SECRET: &[u8] = b"q9Zt3vKx8LmP2wRb7NcY5dHs4JfG6aTe";
const NOW: i64 = 1_700_000_000;

fn issue(claims: &Value) -> String {
    Issuer::new(&Keys::hs256(SECRET)).issue(claims).unwrap()
}

fn verify_at(token: &str, seconds: i64) -> Result<Value, VerifyError> {
    Verifier::new(&Keys::hs256(SECRET)).verify(token, Timestamp::from_seconds(seconds))
}

/// A token signed with our key, whatever its header and claims are.
fn forge(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SECRET);
    let tag = aws_lc_rs::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[track_caller]
fn assert_malformed(token: &str) {
    let refused = verify_at(token, NOW);
    assert!(matches!(refused, Err(VerifyError::Malformed { .. })), "{token}: {refused:?}");
}

/// The header and the claims are those of the example in svix-server's README. The signature there is *not* that of
/// the secret `x`, though it is said to be: this one is, by Python's `hmac` and by `openssl dgst` alike.
#[test]
fn a_token_is_byte_for_byte_as_svix_server_writes_it() {
    #[derive(serde::Serialize)]
    struct Claims {
        iat: i64,
        exp: i64,
        nbf: i64,
        iss: &'static str,
        sub: &'static str,
    }

    let claims = Claims {
        iat: 1_655_140_639,
        exp: 1_970_500_639,
        nbf: 1_655_140_639,
        iss: "svix-server",
        sub: "org_23rb8YdGqMT0qIzpgGwdXfHirMu",
    };
    let keys = Keys::hs256(b"x");
    let token = Issuer::new(&keys).issue(&claims).unwrap();
    assert_eq!(
        token,
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
         eyJpYXQiOjE2NTUxNDA2MzksImV4cCI6MTk3MDUwMDYzOSwibmJmIjoxNjU1MTQwNjM5LCJpc3MiOiJzdml4LXNlcnZlciIsInN1\
         YiI6Im9yZ18yM3JiOFlkR3FNVDBxSXpwZ0d3ZFhmSGlyTXUifQ.\
         -0XvlARTns_er0RnKrTSjEpsByGi2qA9F0V331LbP1k"
    );
    let accepted: Value =
        Verifier::new(&keys).verify(&token, Timestamp::from_seconds(NOW)).unwrap();
    assert_eq!(accepted["sub"], "org_23rb8YdGqMT0qIzpgGwdXfHirMu");
}

/// RFC 7515, appendix A.1.
#[test]
fn the_example_of_the_standard_is_accepted() {
    let secret = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                 eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                 dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let verifier = Verifier::new(&Keys::hs256(&secret));
    let claims: Value = verifier.verify(token, Timestamp::from_seconds(1_300_819_380)).unwrap();
    assert_eq!(claims["iss"], "joe");
}

#[test]
fn every_algorithm_accepts_its_own_tokens_only() {
    let all =
        [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512].map(|a| (a, Keys::new(a, SECRET)));
    for (issued, issuing) in &all {
        let token = Issuer::new(issuing).issue(&json!({"sub": "a"})).unwrap();
        for (pinned, verifying) in &all {
            let result = Verifier::new(verifying).verify(&token, Timestamp::from_seconds(NOW));
            let expected = if issued == pinned {
                Ok(json!({"sub": "a"}))
            } else {
                Err(VerifyError::WrongAlgorithm)
            };
            assert_eq!(result, expected, "{issued} with {pinned}");
        }
    }
}

#[test]
fn no_algorithm_and_unknown_algorithms_are_wrong_ones() {
    for name in ["none", "None", "NONE", "", "HS1", "ES256K"] {
        let token = forge(&json!({"alg": name, "typ": "JWT"}).to_string(), r#"{"sub":"a"}"#);
        assert_eq!(verify_at(&token, NOW), Err(VerifyError::WrongAlgorithm), "{name}");
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(verify_at(&unsigned, NOW), Err(VerifyError::WrongAlgorithm), "{name}");
    }
}

#[test]
fn an_asymmetric_algorithm_in_the_header_is_a_wrong_one() {
    for name in ["RS256", "ES256", "EdDSA", "PS512"] {
        let token = forge(&json!({"alg": name}).to_string(), r#"{"sub":"a"}"#);
        assert_eq!(verify_at(&token, NOW), Err(VerifyError::WrongAlgorithm), "{name}");
    }
}

#[test]
fn a_changed_payload_is_refused() {
    let token = issue(&json!({"sub": "org_a"}));
    let [header, _, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"org_b"}"#);
    let tampered = format!("{header}.{payload}.{signature}");
    assert_eq!(verify_at(&tampered, NOW), Err(VerifyError::BadSignature));
}

#[test]
fn another_key_or_a_cut_signature_is_refused() {
    let token = issue(&json!({"sub": "a"}));
    let stranger = Verifier::new(&Keys::hs256(b"another"));
    let refused = stranger.verify::<Value>(&token, Timestamp::from_seconds(NOW));
    assert_eq!(refused, Err(VerifyError::BadSignature));
    // 40 characters, so that it is still base64.
    let cut = &token[..token.len() - 3];
    assert_eq!(verify_at(cut, NOW), Err(VerifyError::BadSignature));
    let none = &token[..=token.rfind('.').unwrap()];
    assert_eq!(verify_at(none, NOW), Err(VerifyError::BadSignature));
}

#[test]
fn expiry_has_fifteen_minutes_of_leeway() {
    let token = issue(&json!({"exp": NOW}));
    assert!(verify_at(&token, NOW + 900).is_ok());
    assert_eq!(verify_at(&token, NOW + 901), Err(VerifyError::Expired));
}

#[test]
fn not_before_and_issued_at_have_the_same_leeway() {
    for claim in ["nbf", "iat"] {
        let token = issue(&json!({claim: NOW}));
        assert!(verify_at(&token, NOW - 900).is_ok(), "{claim}");
        assert_eq!(verify_at(&token, NOW - 901), Err(VerifyError::NotYetValid), "{claim}");
    }
}

#[test]
fn the_leeway_can_be_set() {
    let verifier = Verifier::new(&Keys::hs256(SECRET)).leeway(Duration::ZERO);
    let token = issue(&json!({"exp": NOW}));
    let at = |seconds| verifier.verify::<Value>(&token, Timestamp::from_seconds(seconds));
    assert!(at(NOW).is_ok());
    assert_eq!(at(NOW + 1), Err(VerifyError::Expired));
}

#[test]
fn extreme_times_do_not_overflow() {
    assert!(verify_at(&issue(&json!({"exp": i64::MAX})), NOW).is_ok());
    assert!(verify_at(&issue(&json!({"exp": u64::MAX})), NOW).is_ok());
    assert_eq!(verify_at(&issue(&json!({"exp": i64::MIN})), NOW), Err(VerifyError::Expired));
    assert_eq!(verify_at(&issue(&json!({"nbf": u64::MAX})), NOW), Err(VerifyError::NotYetValid));
}

#[test]
fn times_may_have_fractions() {
    let token = issue(&json!({"exp": 1_700_000_000.75, "nbf": 1_600_000_000.5}));
    assert!(verify_at(&token, NOW + 900).is_ok());
    assert_eq!(verify_at(&token, NOW + 901), Err(VerifyError::Expired));
}

#[test]
fn times_that_are_no_numbers_are_refused() {
    for claims in
        [r#"{"exp":"1970500639"}"#, r#"{"nbf":true}"#, r#"{"iat":{}}"#, r#"{"exp":1,"exp":2}"#]
    {
        assert_malformed(&forge(r#"{"alg":"HS256"}"#, claims));
    }
}

#[test]
fn audience_and_issuer_are_not_looked_at() {
    let claims = json!({"aud": ["somebody"], "iss": "anybody"});
    assert_eq!(verify_at(&issue(&claims), NOW), Ok(claims));
}

#[test]
fn what_is_no_token_is_malformed() {
    let token = issue(&json!({"sub": "a"}));
    for text in
        ["", ".", "..", "a.b.c", "testsk_abc.eu", &format!("{token}.x"), &format!("Bearer {token}")]
    {
        assert_malformed(text);
    }
    assert_malformed(&forge(r#"{"typ":"JWT"}"#, "{}"));
    assert_malformed(&forge(r#"{"alg":"HS256"}"#, "not json"));
}

#[test]
fn a_critical_extension_is_not_passed_over() {
    assert_malformed(&forge(r#"{"alg":"HS256","crit":["exp"]}"#, r#"{"sub":"a"}"#));
}

#[test]
fn claims_that_do_not_fit_the_type_are_malformed() {
    #[derive(Debug, serde::Deserialize)]
    struct NeedsExpiry {
        #[serde(rename = "exp")]
        _exp: i64,
    }

    let token = issue(&json!({"sub": "a"}));
    let refused = Verifier::new(&Keys::hs256(SECRET))
        .verify::<NeedsExpiry>(&token, Timestamp::from_seconds(NOW))
        .unwrap_err();
    assert!(refused.to_string().contains("missing field `exp`"), "{refused}");
}

#[test]
fn a_refusal_is_unauthenticated_and_tells_a_client_nothing() {
    let error = Error::from(verify_at("nonsense", NOW).unwrap_err());
    assert_eq!(error.kind(), Kind::Unauthenticated);
    assert_eq!(error.public(), Kind::Unauthenticated.text());
}

#[test]
fn keys_do_not_show_their_secret() {
    let keys = Keys::hs256(SECRET);
    let shown = format!("{keys:?} {:?} {:?}", Issuer::new(&keys), Verifier::new(&keys));
    assert!(!shown.contains("q9Zt") && !shown.contains("113, 57"), "{shown}");
}

#[test]
fn an_old_secret_still_verifies() {
    const OLD: &[u8] = b"another secret of thirty-two bytes";
    const OLDER: &[u8] = b"a third secret, it is 32 bytes long";
    let claims = json!({ "sub": "a", "exp": NOW + 60 });
    let verifier = Verifier::new(&Keys::hs256(SECRET)).also(OLD).also(OLDER);
    let at = |seconds| Timestamp::from_seconds(seconds);
    for secret in [SECRET, OLD, OLDER] {
        let token = Issuer::new(&Keys::hs256(secret)).issue(&claims).unwrap();
        assert_eq!(verifier.verify::<Value>(&token, at(NOW)).unwrap()["sub"], "a");
        let late = verifier.verify::<Value>(&token, at(NOW + 961));
        assert_eq!(late, Err(VerifyError::Expired), "the secret is no excuse");
        let other = Issuer::new(&Keys::new(Algorithm::Hs512, secret)).issue(&claims).unwrap();
        assert_eq!(verifier.verify::<Value>(&other, at(NOW)), Err(VerifyError::WrongAlgorithm));
    }
    let unknown = Issuer::new(&Keys::hs256(b"yet another secret, of 33 bytes..")).issue(&claims);
    let refused = verifier.verify::<Value>(&unknown.unwrap(), at(NOW));
    assert_eq!(refused, Err(VerifyError::BadSignature));
}
