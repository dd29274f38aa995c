//! Secrets stay hidden, weak ones are found.

use linchpin_security::secret::{SecretBytes, SecretString, Weak, strength};

const RANDOM: &str = "q9Zt3vKx8LmP2wRb7NcY5dHs4JfG6aTe";

#[test]
fn a_secret_is_redacted_however_it_is_shown() {
    let secret = SecretString::from(RANDOM);
    let json = serde_json::to_string(&secret).unwrap();
    assert_eq!(
        format!("{secret} {secret:?} {:?} {json}", Some(&secret)),
        "****** ****** Some(******) \"******\""
    );
}

#[test]
fn secret_bytes_are_redacted() {
    let secret = SecretBytes::from(RANDOM.as_bytes().to_vec());
    assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "****** Some(******)");
    assert_eq!(secret.expose(), RANDOM.as_bytes());
}

#[test]
fn a_secret_matches_only_itself() {
    let secret = SecretString::from(RANDOM);
    assert!(secret.matches(RANDOM));
    assert!(!secret.matches(&RANDOM[1..]));
    assert!(!secret.matches(&RANDOM.to_lowercase()));
    assert!(!secret.matches(""));
}

#[test]
fn a_random_text_of_32_bytes_is_strong() {
    assert_eq!(strength(RANDOM), Ok(()));
    assert_eq!(strength(&"0123456789abcdef".repeat(4)), Ok(()));
}

#[test]
fn weak_secrets_are_refused_for_their_reason() {
    let cases = [
        ("", Weak::Short { bytes: 0 }),
        (&RANDOM[1..], Weak::Short { bytes: 31 }),
        ("changeme", Weak::Known),
        ("Secret", Weak::Known),
        ("change-me!", Weak::Known),
        ("secretsecretsecretsecretsecretsecret", Weak::Known),
        ("x", Weak::Repeated),
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", Weak::Repeated),
        ("abcdefgabcdefgabcdefgabcdefgabcdefg", Weak::FewDistinct { distinct: 7 }),
    ];
    for (text, weak) in cases {
        assert_eq!(strength(text), Err(weak), "{text}");
    }
}

#[test]
fn eight_distinct_characters_are_enough() {
    assert_eq!(strength(&"abcdefgh".repeat(4)), Ok(()));
}
