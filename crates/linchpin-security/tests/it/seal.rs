//! What is sealed opens with its key and in its place, and nowhere else.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linchpin::{Error, Kind};
use linchpin_security::seal::{KeyFault, Keyring, OpenError, Sealed};
use linchpin_security::secret::Weak;
use proptest::collection::vec;
use proptest::prelude::*;

/// The base64 of the bytes 0 to 31.
const FIRST: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The base64 of the bytes 32 to 63.
const SECOND: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const PLACE: &[&[u8]] = &[b"endpoint", b"ep_1"];
const PLAIN: &[u8] = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn ring(text: &str) -> Keyring {
    Keyring::parse(text).unwrap()
}

fn old() -> Keyring {
    ring(&format!("k1:{FIRST}"))
}

fn rotated() -> Keyring {
    ring(&format!("k2:{SECOND},k1:{FIRST}"))
}

/// Opens and gives what is inside, so that results can be compared.
fn open(keys: &Keyring, place: &[&[u8]], sealed: &str) -> Result<Vec<u8>, OpenError> {
    keys.open(place, sealed).map(|opened| opened.expose().to_vec())
}

/// A sealed text with other bytes inside.
fn with_bytes(sealed: &Sealed, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let (head, encoded) = sealed.as_str().rsplit_once('.').unwrap();
    let mut bytes = STANDARD.decode(encoded).unwrap();
    change(&mut bytes);
    format!("{head}.{}", STANDARD.encode(bytes))
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// RFC 8452, appendices C.2 and C.3: key, nonce, bound, plain, sealed.
#[test]
fn the_cipher_is_that_of_the_standard() {
    let one = "0100000000000000000000000000000000000000000000000000000000000000";
    let zero = "0000000000000000000000000000000000000000000000000000000000000000";
    let three = "030000000000000000000000";
    let vectors = [
        (one, three, "", "", "07f5f4169bbf55a8400cd47ea6fd400f"),
        (one, three, "", "0100000000000000", "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28"),
        (one, three, "01", "0200000000000000", "1de22967237a813291213f267e3b452f02d01ae33e4ec854"),
        (
            "e66021d5eb8e4f4066d4adb9c33560e4f46e44bb3da0015c94f7088736864200",
            "e0eaf5284d884a0e77d31646",
            "",
            "",
            "169fbb2fbf389a995f6390af22228a62",
        ),
        (
            zero,
            "000000000000000000000000",
            "",
            "000000000000000000000000000000004db923dc793ee6497c76dcc03a98e108",
            "f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3eaffffffff000000000000000000000000",
        ),
    ];
    for (key, nonce, bound, plain, sealed) in vectors {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &hex(key)).unwrap());
        let nonce = || Nonce::try_assume_unique_for_key(&hex(nonce)).unwrap();
        let mut bytes = hex(plain);
        key.seal_in_place_append_tag(nonce(), Aad::from(hex(bound)), &mut bytes).unwrap();
        assert_eq!(bytes, hex(sealed));
        let opened = key.open_in_place(nonce(), Aad::from(hex(bound)), &mut bytes).unwrap();
        assert_eq!(opened, hex(plain));
    }
}

/// The text is from Python's `cryptography`, written by the description of the format: the parts of what is bound are
/// `s1`, the id and the context, each behind its length in eight bytes, the highest first.
#[test]
fn what_another_library_sealed_by_the_description_opens() {
    let sealed = "s1.k1.ZGVmZ2hpamtsbW5vScN/RpbdCYVra2rNOrb1yoj8SOUjUDfjFBBgwy3aj+MqFQtzJOlRIYRMAoGhJyTuEff7pAoP";
    assert_eq!(open(&old(), PLACE, sealed).unwrap(), PLAIN);
    assert_eq!(open(&rotated(), PLACE, sealed).unwrap(), PLAIN);
}

proptest! {
    #[test]
    fn what_is_sealed_opens_again(
        plain in vec(any::<u8>(), 0..300),
        place in vec(vec(any::<u8>(), 0..20), 0..4),
    ) {
        let place: Vec<&[u8]> = place.iter().map(Vec::as_slice).collect();
        let keys = rotated();
        let sealed = keys.seal(&place, &plain);
        prop_assert_eq!(open(&keys, &place, sealed.as_str()), Ok(plain));
    }

    #[test]
    fn a_text_with_one_bit_flipped_is_refused(
        plain in vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let keys = old();
        let changed = with_bytes(&keys.seal(PLACE, &plain), |bytes| {
            let index = at.index(bytes.len());
            bytes[index] ^= 1 << bit;
        });
        prop_assert_eq!(open(&keys, PLACE, &changed), Err(OpenError::Refused));
    }

    #[test]
    fn no_text_to_parse_is_a_panic(text in ".*") {
        prop_assert!(Keyring::parse(&text).is_err());
    }

    #[test]
    fn no_text_with_the_marks_of_a_keyring_is_a_panic(text in "([a-z0-9-]{0,18}[:,.=]?[A-Za-z0-9+/]{0,44}=?){0,4}") {
        if let Err(error) = Keyring::parse(&text) {
            prop_assert!(error.position <= text.split(',').count());
        }
    }

    #[test]
    fn no_text_to_open_is_a_panic(text in ".*", rest in "[A-Za-z0-9+/]{0,60}=?") {
        prop_assert!(old().open(PLACE, &text).is_err());
        let marked = format!("s1.k1.{rest}");
        prop_assert!(old().open(PLACE, &marked).is_err());
    }
}

#[test]
fn two_seals_of_one_text_differ() {
    let keys = old();
    let (one, other) = (keys.seal(PLACE, PLAIN), keys.seal(PLACE, PLAIN));
    assert_ne!(one, other);
    // Not in the nonce alone: nothing of them is the same.
    let sealed = |text: &Sealed| STANDARD.decode(&text.as_str()["s1.k1.".len()..]).unwrap();
    let (one, other) = (sealed(&one), sealed(&other));
    assert_eq!(one.len(), 12 + PLAIN.len() + 16);
    assert_ne!(one[12..20], other[12..20]);
    assert_ne!(one[one.len() - 16..], other[other.len() - 16..]);
}

#[test]
fn another_place_does_not_open() {
    let keys = old();
    let sealed = keys.seal(&[b"ab", b"c"], PLAIN);
    let others: [&[&[u8]]; 7] = [
        &[],
        &[b"ab"],
        &[b"a", b"bc"],
        &[b"abc"],
        &[b"c", b"ab"],
        &[b"ab", b"c", b""],
        &[b"ab", b"d"],
    ];
    for other in others {
        assert_eq!(open(&keys, other, sealed.as_str()), Err(OpenError::Refused), "{other:?}");
    }
    assert!(open(&keys, &[b"ab", b"c"], sealed.as_str()).is_ok());
}

#[test]
fn another_key_under_the_same_id_does_not_open() {
    let sealed = old().seal(PLACE, PLAIN);
    let other = ring(&format!("k1:{SECOND}"));
    assert_eq!(open(&other, PLACE, sealed.as_str()), Err(OpenError::Refused));
}

#[test]
fn the_same_key_under_another_id_does_not_open() {
    let sealed = old().seal(PLACE, PLAIN);
    let renamed = sealed.as_str().replacen("k1", "k9", 1);
    let keys = ring(&format!("k9:{FIRST}"));
    assert_eq!(open(&keys, PLACE, &renamed), Err(OpenError::Refused));
}

#[test]
fn a_key_that_is_not_on_the_ring_is_named() {
    let sealed = rotated().seal(PLACE, PLAIN);
    let refused = open(&old(), PLACE, sealed.as_str()).unwrap_err();
    assert_eq!(refused, OpenError::UnknownKey { id: "k2".to_owned() });
    assert!(refused.to_string().contains("`k2`"), "{refused}");
    let error = Error::from(refused);
    assert_eq!(error.kind(), Kind::Internal);
}

#[test]
fn what_is_no_sealed_text_is_told_from_what_is_refused() {
    let keys = old();
    let sealed = keys.seal(PLACE, PLAIN);
    let cut = with_bytes(&sealed, |bytes| bytes.truncate(27));
    let short = with_bytes(&sealed, |bytes| bytes.truncate(28));
    let text = sealed.as_str();
    let malformed = [
        "",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "s1",
        "s1.k1",
        "s1.k1.",
        "s1..AAAA",
        "s1.K1.AAAA",
        "s1.an-id-that-is-longer-than-16.AAAA",
        &text.replace("s1", "s2"),
        &text[..text.len() - 1],
        &format!("{text} "),
        &cut,
    ];
    for text in malformed {
        assert_eq!(open(&keys, PLACE, text), Err(OpenError::Malformed), "{text}");
    }
    assert_eq!(open(&keys, PLACE, &short), Err(OpenError::Refused));
}

#[test]
fn the_first_key_seals_and_all_of_them_open() {
    let (old, rotated) = (old(), rotated());
    let (before, after) = (old.seal(PLACE, PLAIN), rotated.seal(PLACE, PLAIN));
    assert_eq!(Keyring::id_of(before.as_str()), Some("k1"));
    assert_eq!(Keyring::id_of(after.as_str()), Some("k2"));
    for sealed in [&before, &after] {
        assert_eq!(open(&rotated, PLACE, sealed.as_str()).unwrap(), PLAIN);
    }
    assert!(rotated.is_current(after.as_str()) && !rotated.is_current(before.as_str()));
    assert!(old.is_current(before.as_str()) && !old.is_current(after.as_str()));
    assert_eq!(Keyring::id_of("plain"), None);
    assert!(!old.is_current("plain"));
}

#[test]
fn what_is_no_keyring_is_refused_for_its_reason_and_place() {
    let id = "an-id-of-16-char";
    ring(&format!("{id}:{SECOND},0:{FIRST}"));
    let short = STANDARD.encode([7; 31]);
    let cases = [
        (String::new(), 1, KeyFault::NoColon),
        (FIRST.to_owned(), 1, KeyFault::NoColon),
        (format!("k1:{FIRST},"), 2, KeyFault::NoColon),
        (format!(":{FIRST}"), 1, KeyFault::BadId),
        (format!("{id}s:{FIRST}"), 1, KeyFault::BadId),
        (format!("K1:{FIRST}"), 1, KeyFault::BadId),
        (format!("k2:{SECOND}, k1:{FIRST}"), 2, KeyFault::BadId),
        (format!("{FIRST}:k1"), 1, KeyFault::BadId),
        (format!("k1:{FIRST},k1:{SECOND}"), 2, KeyFault::DuplicateId),
        ("k1:".to_owned(), 1, KeyFault::Length { bytes: 0 }),
        (format!("k1:{short}"), 1, KeyFault::Length { bytes: 31 }),
        (format!("k1:{FIRST}\n"), 1, KeyFault::Encoding),
        (format!("k1:{}", FIRST.trim_end_matches('=')), 1, KeyFault::Encoding),
        (
            format!("k1:{}", STANDARD.encode([0; 32])),
            1,
            KeyFault::Weak(Weak::FewDistinct { distinct: 2 }),
        ),
    ];
    for (text, position, fault) in cases {
        let error = Keyring::parse(&text).unwrap_err();
        assert_eq!((error.position, error.fault), (position, fault), "{text}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&FIRST[..8]) && !shown.contains(&SECOND[..8]), "{shown}");
    }
}

#[test]
fn no_key_and_no_plain_text_is_shown() {
    let keys = rotated();
    let sealed = keys.seal(PLACE, PLAIN);
    let opened = keys.open(PLACE, sealed.as_str()).unwrap();
    let shown = format!("{keys:?} {sealed:?} {opened:?}");
    assert_eq!(shown, r#"Keyring { ids: ["k2", "k1"], .. } Sealed(******) ******"#);
    assert_eq!(sealed.as_str(), sealed.clone().into_string());
}

#[test]
fn a_generated_key_seals_and_is_another_each_time() {
    let one = Keyring::generate_key("k1").unwrap();
    let other = Keyring::generate_key("k1").unwrap();
    let sealed = ring(one.expose()).seal(PLACE, PLAIN);
    assert_eq!(open(&ring(one.expose()), PLACE, sealed.as_str()), Ok(PLAIN.to_vec()));
    assert_eq!(open(&ring(other.expose()), PLACE, sealed.as_str()), Err(OpenError::Refused));
    for id in ["", "K1", "a,b", "a-very-long-id-of-a-key"] {
        assert_eq!(Keyring::generate_key(id).unwrap_err(), KeyFault::BadId, "{id}");
    }
}
