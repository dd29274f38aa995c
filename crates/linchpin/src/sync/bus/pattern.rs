//! Names of topics, and patterns of them.

use crate::resilience::BadOptions;

/// Matches one word of a name.
const ONE: &str = "*";
/// Matches any number of words, none too; stands at the end.
const REST: &str = "**";

/// Whether a name stands for several topics.
pub(super) fn is_pattern(name: &str) -> bool {
    name.split('.').any(|word| word == ONE || word == REST)
}

/// Refuses what would match nothing, or is a pattern where a topic is wanted.
pub(super) fn check(name: &str, patterns: bool) -> Result<(), BadOptions> {
    let bad = |why: String| Err(BadOptions::new("Bus", why));
    if name.split('.').any(str::is_empty) {
        return bad(format!("a name is words with a dot between them, `{name}` has an empty one"));
    }
    if let Some(word) =
        name.split('.').find(|word| word.contains('*') && *word != ONE && *word != REST)
    {
        return bad(format!("`{word}` in `{name}` is neither a word nor `*` nor `**`"));
    }
    if name.split('.').rev().skip(1).any(|word| word == REST) {
        return bad(format!("`**` in `{name}` does not stand at the end"));
    }
    if !patterns && is_pattern(name) {
        return bad(format!("`{name}` is a pattern, a topic is wanted"));
    }
    Ok(())
}

/// Whether `pattern` stands for `topic`, both of them checked.
pub(super) fn matches(pattern: &str, topic: &str) -> bool {
    let (mut pattern, mut topic) = (pattern.split('.'), topic.split('.'));
    loop {
        match (pattern.next(), topic.next()) {
            (Some(REST), _) | (None, None) => return true,
            (Some(wanted), Some(word)) if wanted == ONE || wanted == word => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_a_word_and_two_are_the_rest() {
        for (pattern, topic, is_match) in [
            ("orders", "orders", true),
            ("orders", "orders.eu", false),
            ("orders.eu", "orders", false),
            ("orders.*", "orders.eu", true),
            ("orders.*", "orders", false),
            ("orders.*", "orders.eu.de", false),
            ("*.eu", "orders.eu", true),
            ("*.eu", "eu", false),
            ("orders.**", "orders", true),
            ("orders.**", "orders.eu.de", true),
            ("orders.**", "order", false),
            ("**", "anything.at.all", true),
            ("*.*.de", "orders.eu.de", true),
            ("*.*.de", "orders.eu.fr", false),
        ] {
            assert_eq!(matches(pattern, topic), is_match, "{pattern} {topic}");
        }
    }

    #[test]
    fn what_would_match_nothing_is_refused() {
        for bad in ["", ".", "a.", ".a", "a..b", "a*", "a.*b", "***", "**.a"] {
            assert!(check(bad, true).is_err(), "{bad}");
        }
        for pattern in ["*", "**", "a.*", "a.**", "*.a"] {
            assert!(check(pattern, true).is_ok() && check(pattern, false).is_err(), "{pattern}");
        }
        assert!(check("a.b-c_d/e", false).is_ok());
    }

    proptest! {
        /// Beside the plain recursion.
        #[test]
        fn it_is_what_a_recursion_says(
            pattern in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("*"), Just("**")], 1..5),
            topic in prop::collection::vec(prop_oneof![Just("a"), Just("b")], 1..5),
        ) {
            fn plain(pattern: &[&str], topic: &[&str]) -> bool {
                match (pattern, topic) {
                    ([], []) | (["**"], _) => true,
                    (["*", pattern @ ..], [_, topic @ ..]) => plain(pattern, topic),
                    ([wanted, pattern @ ..], [word, topic @ ..]) => wanted == word && plain(pattern, topic),
                    _ => false,
                }
            }
            let joined = pattern.join(".");
            if check(&joined, true).is_ok() {
                prop_assert_eq!(matches(&joined, &topic.join(".")), plain(&pattern, &topic));
            }
        }
    }
}
