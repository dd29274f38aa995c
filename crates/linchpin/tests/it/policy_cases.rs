//! Each numbered case of the specification of a policy has a test that carries its number: the name of a row, `"H7: the
//! deadline"`, or of a function, `h7_...`, `g6_g8_...`.

use std::collections::BTreeSet;

use crate::source::{relative, sources};

/// The letter of a policy, how many cases it has, and in which folders or files their tests are.
const OWED: [(char, u32, &[&str]); 13] = [
    ('A', 10, &["it/adaptive"]),
    ('B', 9, &["it/bulkhead", "it/timeout"]),
    ('C', 12, &["it/breaker"]),
    ('D', 8, &["it/shed", "bulkhead", "linchpin-http/tests"]),
    ('F', 7, &["it/fallback"]),
    ('G', 8, &["it/coalesce", "it/singleflight"]),
    ('H', 10, &["it/hedge"]),
    ('L', 14, &["it/limiter", "it/rate"]),
    ('O', 5, &["it/stack"]),
    ('R', 12, &["it/retry"]),
    ('S', 7, &["it/throttle"]),
    ('T', 7, &["it/timeout", "it/carrier", "bulkhead"]),
    ('Z', 8, &["it/chaos"]),
];

/// That of what is not here: gRPC's way to write the time left.
const ELSEWHERE: [&str; 1] = ["T7"];

/// The numbers that a source carries.
fn numbers(text: &str) -> BTreeSet<String> {
    let is_number = |word: &&str| {
        let (letter, digits) = word.split_at_checked(1).unwrap_or_default();
        letter.bytes().all(|byte| byte.is_ascii_alphabetic())
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let functions = text.split("fn ").skip(1).flat_map(|name| {
        let words = name.split(|c: char| !c.is_ascii_alphanumeric());
        words.take_while(is_number)
    });
    let rows = text.split('"').filter_map(|row| row.split_once(": ")).map(|(number, _)| number);
    functions.chain(rows.filter(is_number)).map(str::to_uppercase).collect()
}

#[test]
fn every_case_of_a_policy_has_a_test_with_its_number() {
    let sources = sources();
    let mut missing = Vec::new();
    for (letter, count, places) in OWED {
        let is_there = |path: &str| places.iter().any(|place| path.contains(place));
        let here = sources.iter().filter(|(path, _)| is_there(&relative(path)));
        let found: BTreeSet<String> = here.flat_map(|(_, text)| numbers(text)).collect();
        let owed = (1..=count).map(|number| format!("{letter}{number}"));
        missing.extend(owed.filter(|case| !found.contains(case)));
    }
    assert_eq!(missing, ELSEWHERE);
}

#[test]
fn a_number_is_found_where_a_case_has_its_name() {
    let text = r#"
        // H1 is elsewhere, and h2_too
        async fn g3_g5_an_error() {}
        fn h9_the_delay_of_95() {}
        let row = case("H7: the deadline", &[9]);
        let other = "R2 is no row: of these";
    "#;
    assert_eq!(Vec::from_iter(numbers(text)), ["G3", "G5", "H7", "H9"]);
}
