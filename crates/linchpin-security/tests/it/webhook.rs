//! Signatures: the known vectors, both directions against the reference library, and every refusal.

use std::time::Duration;

use linchpin::time::Timestamp;
use linchpin_security::webhook::{
    Family, ParseKeyError, Secret, Signature, Signer, Verified, Verifier, VerifyError,
};
use proptest::prelude::*;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
pub(crate) const SENT: i64 = 1_614_265_330;
pub(crate) const BODY: &[u8] = br#"{"test": 2432232314}"#;
pub(crate) const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

pub(crate) fn secret(text: &str) -> Secret {
    text.parse().unwrap()
}

/// Verifies at the moment of sending, with the headers given as pairs.
fn verify<'a>(headers: &'a [(&str, &str)], body: &[u8]) -> Result<Verified<'a>, VerifyError> {
    verify_at(&Verifier::new([&secret(SECRET)]), headers, body, SENT)
}

pub(crate) fn verify_at<'a>(
    verifier: &Verifier,
    headers: &'a [(&str, &str)],
    body: &[u8],
    now: i64,
) -> Result<Verified<'a>, VerifyError> {
    let find =
        |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    verifier.verify(find, body, Timestamp::from_seconds(now))
}

pub(crate) fn svix<'a>(
    id: &'a str,
    timestamp: &'a str,
    signature: &'a str,
) -> [(&'a str, &'a str); 3] {
    [("svix-id", id), ("svix-timestamp", timestamp), ("svix-signature", signature)]
}

#[test]
fn the_known_vectors_are_reproduced() {
    let ping = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
    let vectors = [
        (SECRET, ID, SENT, r#"{"test": 2432232314}"#, SIGNATURE),
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
            ping,
            1_674_087_231,
            "{}",
            "v1,JkfPmiP8nMgMl9zUM2mcRUnP1sC0VHZO8fpB3rBIhb8=",
        ),
        (
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==",
            ping,
            1_674_087_231,
            r#"{"name":"Zoë ✓ 日本","n":1.0}"#,
            "v1,qjSrCNeLszE9SSHQ+TGgsV9SK/FvywC4owCV8Zq4dR8=",
        ),
    ];
    for (key, id, timestamp, body, signature) in vectors {
        let key = secret(key);
        assert_eq!(Signer::new(&key).sign(id, timestamp, body.as_bytes()).as_str(), signature);
        let (text, verifier) = (timestamp.to_string(), Verifier::new([&key]));
        let headers = svix(id, &text, signature);
        let verified = verify_at(&verifier, &headers, body.as_bytes(), timestamp).unwrap();
        assert_eq!(verified.timestamp, Timestamp::from_seconds(timestamp));
    }
}

proptest! {
    #[test]
    fn the_reference_library_signs_as_we_do(
        key in proptest::collection::vec(any::<u8>(), 24..=75),
        id in "[a-zA-Z0-9_]{1,40}",
        timestamp in any::<i64>(),
        body in ".*",
    ) {
        let theirs = standardwebhooks::Webhook::from_bytes(key.clone()).unwrap();
        let ours = Signer::new(&spell(&key));
        let signature = ours.sign(&id, timestamp, body.as_bytes());
        prop_assert_eq!(signature.to_string(), theirs.sign(&id, timestamp, body.as_bytes()).unwrap());
    }

    #[test]
    fn the_reference_library_accepts_what_we_sign(id in "[a-zA-Z0-9_]{1,40}", body in ".*") {
        let key = Secret::generate();
        // It reads the system's clock, so this must be the real time.
        let now = Timestamp::now().as_seconds();
        let signature = Signer::new(&key).sign(&id, now, body.as_bytes());
        let mut headers = http::HeaderMap::new();
        let [names] = Family::Webhook.names() else { unreachable!() };
        headers.insert(names.id, id.parse().unwrap());
        headers.insert(names.timestamp, now.into());
        headers.insert(names.signature, signature.as_str().parse().unwrap());
        let theirs = standardwebhooks::Webhook::new(key.expose()).unwrap();
        prop_assert!(theirs.verify(body.as_bytes(), &headers).is_ok());
    }

    #[test]
    fn we_accept_what_the_reference_library_signs(
        key in proptest::collection::vec(any::<u8>(), 24..=75),
        id in "[a-zA-Z0-9_]{1,40}",
        timestamp in 0..4_000_000_000_i64,
        body in ".*",
    ) {
        let theirs = standardwebhooks::Webhook::from_bytes(key.clone()).unwrap();
        let signature = theirs.sign(&id, timestamp, body.as_bytes()).unwrap();
        let (text, verifier) = (timestamp.to_string(), Verifier::new([&spell(&key)]));
        let headers = svix(&id, &text, &signature);
        let verified = verify_at(&verifier, &headers, body.as_bytes(), timestamp).unwrap();
        prop_assert_eq!(verified.id, id.as_str());
    }

    #[test]
    fn a_body_with_one_bit_flipped_is_refused(
        body in proptest::collection::vec(any::<u8>(), 1..200),
        at in any::<proptest::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let signature = Signer::new(&secret(SECRET)).sign(ID, SENT, &body);
        let mut changed = body;
        let index = at.index(changed.len());
        changed[index] ^= 1 << bit;
        let headers = svix(ID, "1614265330", signature.as_str());
        prop_assert_eq!(verify(&headers, &changed), Err(VerifyError::NoMatch));
    }

    #[test]
    fn no_header_text_is_a_panic(id in ".*", timestamp in ".*", signatures in ".*") {
        prop_assert!(verify(&svix(&id, &timestamp, &signatures), BODY).is_err());
    }
}

fn spell(key: &[u8]) -> Secret {
    use base64::Engine as _;
    secret(&format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(key)))
}

#[test]
fn a_body_need_not_be_text() {
    let body = [0, 0xff, 0xfe, b'\n'];
    let signature = Signer::new(&secret(SECRET)).sign(ID, SENT, &body);
    assert!(verify(&svix(ID, "1614265330", signature.as_str()), &body).is_ok());
}

#[test]
fn svix_names_come_before_the_neutral_ones() {
    let mut headers = vec![
        ("webhook-id", "msg_other"),
        ("webhook-timestamp", "0"),
        ("webhook-signature", "v1,AAAA"),
    ];
    assert_eq!(verify(&headers, BODY), Err(VerifyError::TooOld));
    headers.extend(svix(ID, "1614265330", SIGNATURE));
    assert_eq!(verify(&headers, BODY).unwrap().id, ID);
}

#[test]
fn the_neutral_names_will_do() {
    let headers =
        [("webhook-id", ID), ("webhook-timestamp", "1614265330"), ("webhook-signature", SIGNATURE)];
    assert!(verify(&headers, BODY).is_ok());
}

#[test]
fn one_good_signature_among_several_is_enough() {
    let good = [
        format!("v1,AAAA {SIGNATURE}"),
        format!("{SIGNATURE} v1,AAAA"),
        format!("v1a,{} v2,x  {SIGNATURE} ", &SIGNATURE[3..]),
    ];
    for signatures in &good {
        assert!(verify(&svix(ID, "1614265330", signatures), BODY).is_ok(), "{signatures}");
    }
}

#[test]
fn other_versions_and_broken_signatures_do_not_match() {
    let encoded = &SIGNATURE[3..];
    let bad = [
        String::new(),
        encoded.to_owned(),
        format!("v1a,{encoded}"),
        format!("v2,{encoded}"),
        format!("V1,{encoded}"),
        format!("v1 {encoded}"),
        format!("v1,{}", &encoded[..40]),
        format!("v1,{}", encoded.trim_end_matches('=')),
        format!("v1,{encoded}AAAA"),
        "v1,".to_owned(),
    ];
    for signatures in &bad {
        let headers = svix(ID, "1614265330", signatures);
        let refused = verify(&headers, BODY);
        assert_eq!(refused, Err(VerifyError::NoMatch), "{signatures}");
    }
}

#[test]
fn any_of_several_secrets_verifies_and_a_stranger_does_not() {
    let (old, new, stranger) = (secret(SECRET), Secret::generate(), Secret::generate());
    let headers = svix(ID, "1614265330", SIGNATURE);
    assert!(verify_at(&Verifier::new([&new, &old]), &headers, BODY, SENT).is_ok());
    for verifier in [Verifier::new([&new, &stranger]), Verifier::new::<&Secret>([])] {
        assert_eq!(verify_at(&verifier, &headers, BODY, SENT), Err(VerifyError::NoMatch));
    }
}

#[test]
fn a_rotated_delivery_verifies_with_either_secret() {
    let secrets = [Secret::generate(), Secret::generate()];
    let signed = Signature::join(&secrets.each_ref().map(|s| Signer::new(s).sign(ID, SENT, BODY)));
    assert_eq!(signed.len(), 47 + 1 + 47);
    for known in &secrets {
        let headers = svix(ID, "1614265330", &signed);
        assert!(verify_at(&Verifier::new([known]), &headers, BODY, SENT).is_ok());
    }
    assert_eq!(Signature::join(&[]), "");
}

#[test]
fn the_tolerance_is_five_minutes_to_either_side() {
    let (verifier, headers) = (Verifier::new([&secret(SECRET)]), svix(ID, "1614265330", SIGNATURE));
    for (offset, expected) in [
        (-301, Some(VerifyError::TooNew)),
        (-300, None),
        (300, None),
        (301, Some(VerifyError::TooOld)),
    ] {
        assert_eq!(verify_at(&verifier, &headers, BODY, SENT + offset).err(), expected, "{offset}");
    }
}

#[test]
fn the_tolerance_can_be_set() {
    let verifier = Verifier::new([&secret(SECRET)]).tolerance(Duration::from_secs(1));
    let headers = svix(ID, "1614265330", SIGNATURE);
    assert!(verify_at(&verifier, &headers, BODY, SENT + 1).is_ok());
    assert_eq!(verify_at(&verifier, &headers, BODY, SENT + 2), Err(VerifyError::TooOld));
    let boundless = verifier.tolerance(Duration::MAX);
    assert!(verify_at(&boundless, &headers, BODY, 0).is_ok());
}

#[test]
fn the_timestamp_is_part_of_what_is_signed() {
    for other in ["1614265331", "+1614265330", "01614265330"] {
        assert_eq!(verify(&svix(ID, other, SIGNATURE), BODY), Err(VerifyError::NoMatch), "{other}");
    }
}

#[test]
fn a_timestamp_that_is_no_number_of_seconds_is_refused() {
    for bad in ["", " 1614265330", "1614265330.0", "0x1", "soon", "99999999999999999999"] {
        assert_eq!(
            verify(&svix(ID, bad, SIGNATURE), BODY),
            Err(VerifyError::BadTimestamp),
            "{bad}"
        );
    }
    let ancient = i64::MIN.to_string();
    assert_eq!(verify(&svix(ID, &ancient, SIGNATURE), BODY), Err(VerifyError::TooOld));
}

/// `a` + `1.x` and `a.1` + `x` are the same signed bytes; only the rule on ids tells them apart.
#[test]
fn an_id_cannot_swallow_the_timestamp() {
    let body = b"1614265330.{}";
    let signature = Signer::new(&secret(SECRET)).sign("msg_a", SENT, body);
    let shifted = svix("msg_a.1614265330", "1614265330", signature.as_str());
    assert_eq!(verify(&shifted, b"{}"), Err(VerifyError::BadId));
    assert_eq!(verify(&svix("", "1614265330", SIGNATURE), BODY), Err(VerifyError::BadId));
}

#[test]
fn each_missing_header_is_named() {
    let all = svix(ID, "1614265330", SIGNATURE);
    for (missing, (name, _)) in all.iter().enumerate() {
        let mut headers = all.to_vec();
        headers.remove(missing);
        let error = verify(&headers, BODY).unwrap_err();
        assert_eq!(error.to_string(), format!("the header `{name}` is missing"));
    }
}

#[test]
fn both_families_are_sent_with_svix_first() {
    let ids: Vec<_> = Family::Both.names().iter().map(|names| names.id).collect();
    assert_eq!(ids, ["svix-id", "webhook-id"]);
    assert_eq!(Family::default().names(), Family::Svix.names());
}

#[test]
fn generated_secrets_are_32_bytes_and_differ() {
    let (one, other) = (Secret::generate(), Secret::generate());
    assert_ne!(one.expose(), other.expose());
    assert_eq!(one.expose().len(), "whsec_".len() + 44);
    assert_eq!(secret(one.expose()).expose(), one.expose());
}

#[test]
fn secrets_of_24_to_75_bytes_are_taken() {
    use base64::Engine as _;
    let length = |bytes| ParseKeyError::Length { bytes, least: 24, most: 75 };
    for (bytes, taken) in [(0, false), (23, false), (24, true), (75, true), (76, false)] {
        let text =
            format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(vec![7; bytes]));
        let expected = if taken { None } else { Some(length(bytes)) };
        assert_eq!(text.parse::<Secret>().err(), expected);
    }
}

#[test]
fn what_is_no_secret_is_refused_for_its_reason() {
    let prefix = ParseKeyError::Prefix { expected: "`whsec_` or `whsk_`" };
    let cases = [
        ("", prefix),
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", prefix),
        ("whpk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=", prefix),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_", ParseKeyError::Encoding),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA", ParseKeyError::Encoding),
        ("whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ParseKeyError::Encoding),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Secret>().err(), Some(expected), "{text}");
    }
}

#[test]
fn a_secret_is_not_shown() {
    let key = secret(SECRET);
    let shown = format!("{key:?} {:?} {:?}", Signer::new(&key), Verifier::new([&key]));
    assert_eq!(shown, "whsec_****** Signer { .. } Verifier { keys: 1, tolerance: 300s }");
}
