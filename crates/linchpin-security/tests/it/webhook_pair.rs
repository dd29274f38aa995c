//! Signatures by key pairs: `v1a`, alone and beside `v1`.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linchpin_security::webhook::{
    Key, ParseKeyError, PublicKey, Secret, Signature, Signer, Verifier, VerifyError,
};
use proptest::prelude::*;

use crate::webhook::{BODY, ID, SECRET, SENT, SIGNATURE, secret, svix, verify_at};

const PAIR: &str =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
const SIGNED: &str =
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";

fn public(text: &str) -> PublicKey {
    text.parse().unwrap()
}

/// Verifies at the moment of sending with one key.
fn check<'k>(key: impl Into<Key<'k>>, signatures: &str, body: &[u8]) -> Result<(), VerifyError> {
    let headers = svix(ID, "1614265330", signatures);
    verify_at(&Verifier::new([key]), &headers, body, SENT).map(drop)
}

/// The text of a pair, of a seed and something for its public half.
fn spell(seed: &[u8; 32], half: &[u8]) -> String {
    format!("whsk_{}", STANDARD.encode([seed, half].concat()))
}

/// The first is in the tests of svix-server; Python's `cryptography` comes to both.
#[test]
fn the_known_vectors_are_reproduced() {
    let seed: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let half = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    let other = spell(&seed, &STANDARD.decode(&half["whpk_".len()..]).unwrap());
    let vectors = [
        (PAIR, PUBLIC, ID, SENT, r#"{"test": 2432232314}"#, SIGNED),
        (
            other.as_str(),
            half,
            "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
            1_674_087_231,
            "{}",
            "v1a,PE2X17Ry8qC3GmRnXg9IPh4dl2mXTdtof9yzk1Q2CXbTksS4AXsZdsQVzBnbGT1kum6tlowm0J3eGcw7Aag3Bw==",
        ),
    ];
    for (pair, half, id, timestamp, body, signature) in vectors {
        let pair = secret(pair);
        assert_eq!(pair.public_key().unwrap().to_string(), half);
        assert_eq!(Signer::new(&pair).sign(id, timestamp, body.as_bytes()).as_str(), signature);
        let text = timestamp.to_string();
        let headers = svix(id, &text, signature);
        for verifier in [Verifier::new([&pair]), Verifier::new([&public(half)])] {
            let verified = verify_at(&verifier, &headers, body.as_bytes(), timestamp).unwrap();
            assert_eq!((verified.id, verified.timestamp.as_seconds()), (id, timestamp));
        }
    }
}

proptest! {
    #[test]
    fn what_a_pair_signs_verifies_and_with_one_bit_flipped_does_not(
        seed in any::<[u8; 32]>(),
        body in proptest::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let half = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let pair = secret(&spell(&seed, half.public_key().as_ref()));
        let key = pair.public_key().unwrap();
        let signature = Signer::new(&pair).sign(ID, SENT, &body);
        prop_assert_eq!(check(&key, signature.as_str(), &body), Ok(()));
        let mut changed = body;
        let index = at.index(changed.len());
        changed[index] ^= 1 << bit;
        prop_assert_eq!(check(&key, signature.as_str(), &changed), Err(VerifyError::NoMatch));
    }

    #[test]
    fn no_text_of_a_key_or_of_signatures_is_a_panic(
        prefix in "whsk_|whsec_|whpk_|",
        text in "[A-Za-z0-9+/]{0,90}={0,2}",
        signatures in "(v1a?,[A-Za-z0-9+/]{0,90}={0,2} ?){0,4}",
    ) {
        let text = format!("{prefix}{text}");
        prop_assert!(text.parse::<Secret>().is_err() || text.starts_with("whsec_"));
        prop_assert!(text.parse::<PublicKey>().is_err() || text.starts_with("whpk_"));
        prop_assert!(check(&public(PUBLIC), &signatures, BODY).is_err());
    }
}

#[test]
fn a_header_of_both_kinds_verifies_with_a_key_of_either() {
    let (shared, pair, key) = (secret(SECRET), secret(PAIR), public(PUBLIC));
    let signatures = [&shared, &pair].map(|secret| Signer::new(secret).sign(ID, SENT, BODY));
    let joined = Signature::join(&signatures);
    assert_eq!(joined, format!("{SIGNATURE} {SIGNED}"));
    assert_eq!(joined.len(), 47 + 1 + 92);
    for header in [joined, format!("{SIGNED} {SIGNATURE}")] {
        assert_eq!(check(&shared, &header, BODY), Ok(()));
        assert_eq!(check(&pair, &header, BODY), Ok(()));
        assert_eq!(check(&key, &header, BODY), Ok(()));
        assert_eq!(check(&Secret::generate(), &header, BODY), Err(VerifyError::NoMatch));
        assert_eq!(check(&Secret::generate_pair(), &header, BODY), Err(VerifyError::NoMatch));
    }
}

#[test]
fn keys_of_both_kinds_stand_in_one_verifier() {
    let (shared, key) = (secret(SECRET), public(PUBLIC));
    let verifier = Verifier::new([Key::from(&shared), Key::from(&key)]);
    for signature in [SIGNATURE, SIGNED] {
        let headers = svix(ID, "1614265330", signature);
        assert!(verify_at(&verifier, &headers, BODY, SENT).is_ok(), "{signature}");
    }
}

/// Everybody knows the public half: as the key of a MAC it would let everybody sign.
#[test]
fn a_public_key_is_no_key_of_a_mac() {
    let key = public(PUBLIC);
    let forger = secret(&PUBLIC.replace("whpk_", "whsec_"));
    let forged = Signer::new(&forger).sign(ID, SENT, BODY);
    assert_eq!(check(&forger, forged.as_str(), BODY), Ok(()));
    let renamed = forged.as_str().replace("v1,", "v1a,");
    for signature in [forged.as_str(), &renamed] {
        assert_eq!(check(&key, signature, BODY), Err(VerifyError::NoMatch), "{signature}");
        assert_eq!(check(&secret(PAIR), signature, BODY), Err(VerifyError::NoMatch));
    }
}

#[test]
fn other_versions_and_broken_signatures_do_not_match() {
    let encoded = &SIGNED["v1a,".len()..];
    let bad = [
        format!("v1,{encoded}"),
        format!("v1b,{encoded}"),
        format!("V1a,{encoded}"),
        format!("v1a{encoded}"),
        format!("v1a,{}", &encoded[..84]),
        format!("v1a,{}", encoded.trim_end_matches('=')),
        format!("v1a,{}", encoded.to_uppercase()),
        format!("v1a,{}AAAA", &encoded[..84]),
        "v1a,".to_owned(),
    ];
    for signatures in &bad {
        let refused = check(&public(PUBLIC), signatures, BODY);
        assert_eq!(refused, Err(VerifyError::NoMatch), "{signatures}");
    }
}

/// Each costs a look at the whole body, so a stranger must not have hundreds of them looked at.
#[test]
fn sixteen_signatures_of_a_pair_are_tried_and_no_more() {
    let other = Signer::new(&Secret::generate_pair()).sign(ID, SENT, BODY);
    for (before, expected) in [(15, Ok(())), (16, Err(VerifyError::NoMatch))] {
        let header = format!("{}{SIGNED}", format!("{other} ").repeat(before));
        assert_eq!(check(&public(PUBLIC), &header, BODY), expected, "{before}");
    }
    // Those of the other kind do not count.
    let header = format!("{}{SIGNED}", format!("{SIGNATURE} ").repeat(16));
    assert_eq!(check(&public(PUBLIC), &header, BODY), Ok(()));
}

#[test]
fn generated_pairs_differ_and_are_read_again() {
    let (one, other) = (Secret::generate_pair(), Secret::generate_pair());
    assert_ne!(one.expose(), other.expose());
    assert_eq!(one.expose().len(), "whsk_".len() + 88);
    let again = secret(one.expose());
    assert_eq!(again.expose(), one.expose());
    assert_eq!(again.public_key(), one.public_key());
    assert_ne!(one.public_key(), other.public_key());
    assert_eq!(Secret::generate().public_key(), None);
}

#[test]
fn what_is_no_pair_is_refused_for_its_reason() {
    let length = |bytes| ParseKeyError::Length { bytes, least: 64, most: 64 };
    let stranger = Secret::generate_pair().public_key().unwrap().to_string();
    let stranger = STANDARD.decode(&stranger["whpk_".len()..]).unwrap();
    let cases = [
        (spell(&[7; 32], &[]), length(32)),
        (spell(&[7; 32], &[7; 33]), length(65)),
        (spell(&[7; 32], &stranger), ParseKeyError::Mismatch),
        (PAIR.trim_end_matches('=').to_owned(), ParseKeyError::Encoding),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Secret>().err(), Some(expected), "{text}");
    }
}

#[test]
fn what_is_no_public_key_is_refused_for_its_reason() {
    let prefix = ParseKeyError::Prefix { expected: "`whpk_`" };
    let length = |bytes| ParseKeyError::Length { bytes, least: 32, most: 32 };
    let cases = [
        ("", prefix),
        (SECRET, prefix),
        (PAIR, prefix),
        ("whpk_", length(0)),
        ("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", length(24)),
        (&PUBLIC[..PUBLIC.len() - 1], ParseKeyError::Encoding),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<PublicKey>(), Err(expected), "{text}");
    }
    assert_eq!(public(PUBLIC).to_string(), PUBLIC);
}

#[test]
fn of_a_pair_only_the_public_half_is_shown() {
    let (pair, key) = (secret(PAIR), public(PUBLIC));
    let shown = format!("{pair:?} {:?} {:?}", Signer::new(&pair), Verifier::new([&pair]));
    assert_eq!(shown, "whsk_****** Signer { .. } Verifier { keys: 1, tolerance: 300s }");
    assert_eq!(format!("{:?}", Key::from(&key)), format!("Public(PublicKey({PUBLIC}))"));
    assert_eq!(format!("{:?}", Key::from(&pair)), "Secret(whsk_******)");
}

/// A key of small order: with nothing for a signature the equation holds for one message in eight.
fn anybody_signs(key: &[u8; 32]) -> bool {
    // The neutral point, and zero.
    let mut signature = [0; 64];
    signature[0] = 1;
    let key = UnparsedPublicKey::new(&ED25519, key);
    (0..256_u32).any(|message| key.verify(&message.to_le_bytes(), &signature).is_ok())
}

#[test]
fn a_key_under_which_anybody_signs_is_refused() {
    let bytes = |hex: &str| {
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        std::array::from_fn::<u8, 32, _>(byte)
    };
    let weak = [
        format!("00{}", "00".repeat(31)),
        format!("01{}", "00".repeat(31)),
        format!("ec{}7f", "ff".repeat(30)),
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05".to_owned(),
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a".to_owned(),
    ];
    for hex in weak {
        let mut key = bytes(&hex);
        assert!(anybody_signs(&key), "{hex}");
        let parsed = |key: &[u8; 32]| format!("whpk_{}", STANDARD.encode(key)).parse::<PublicKey>();
        assert_eq!(parsed(&key), Err(ParseKeyError::Weak), "{hex}");
        key[31] |= 0x80;
        assert_eq!(parsed(&key), Err(ParseKeyError::Weak), "{hex}, the other sign");
    }
    // Other spellings of the first two.
    for first in ["ed", "ee"] {
        let key = bytes(&format!("{first}{}7f", "ff".repeat(30)));
        let text = format!("whpk_{}", STANDARD.encode(key));
        assert_eq!(text.parse::<PublicKey>(), Err(ParseKeyError::Weak));
    }
    assert!(!anybody_signs(&bytes(&"11".repeat(32))));
}
