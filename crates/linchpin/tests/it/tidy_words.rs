//! The crates around `linchpin` say what they wait for in its words, and not in those it stands on.

use std::path::Path;

use crate::source::{module, relative, sources};

/// The crates that are held to it. `linchpin` itself stands on the other words, and `bench` has them for peers.
const CRATES: [&str; 4] = ["linchpin-data", "linchpin-http", "linchpin-security", "relay"];

/// Words that do not come back, and what is said instead. Where there are two they stand in one line.
const WORDS: [(&str, &str); 14] = [
    ("Notify", "`sync::event::Event`: it stays set, and its wait ends with a context"),
    ("futures_util", "`sync::select`, `task::fan`, `task::stream`: each ends with its context"),
    ("JoinSet", "`task::Group` or `Tracker`: tasks with an owner, a name and a panic policy"),
    ("mpsc", "`sync::channel`: what was not sent comes back, and each wait ends with a context"),
    (
        "std::sync:: Mutex",
        "`linchpin::sync::Mutex`: it tells of orders that can deadlock, has no poison",
    ),
    (
        "std::sync:: RwLock",
        "`linchpin::sync::RwLock`: it tells of orders that can deadlock, has no poison",
    ),
    ("spawn_blocking", "`task::blocking` or `Pool::blocking`: listed and named"),
    ("thread::Builder", "`task::thread`: listed and named"),
    ("thread::spawn", "`task::thread`: listed and named"),
    ("tokio::select", "`sync::select`: the context is a branch of every wait"),
    ("tokio::sync:: Barrier", "`sync::event::Barrier`: who left is not counted"),
    ("tokio::sync:: watch", "`sync::watched`, or `sync::event::WaitGroup` for what is under way"),
    ("tokio::time", "`Context::sleep`, `select::within`, `task::Timer`, `task::Ticker`"),
    ("unbounded", "a bound, and a word on what happens there"),
];

/// Where one of them stands all the same, and why.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "crates/linchpin-data/src/sqlite/writer.rs",
    "mpsc",
    "the writer's thread blocks in the channel, which tokio's own receiver can and ours cannot",
)];

/// The words in `text`, outside of comments.
pub(crate) fn words(text: &str) -> Vec<&'static str> {
    let code: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let said = |line: &str, word: &str| word.split(' ').all(|part| line.contains(part));
    let found = |word: &&str| code.iter().any(|line| said(line, word));
    WORDS.iter().map(|(word, _)| *word).filter(found).collect()
}

fn is_held_to_it(path: &Path) -> bool {
    module(path).is_some_and(|(package, _)| CRATES.contains(&package.as_str()))
}

#[test]
fn the_crates_around_the_toolkit_use_its_words() {
    let mut found: Vec<(String, &str)> = sources()
        .iter()
        .filter(|(path, _)| is_held_to_it(path))
        .flat_map(|(path, text)| words(text).into_iter().map(|word| (relative(path), word)))
        .collect();
    // Each exception is needed, so none outlives its reason.
    for (file, word, why) in EXCEPTIONS {
        let before = found.len();
        found.retain(|(at, said)| (at.as_str(), *said) != (file, word));
        assert!(found.len() < before, "{file} does not say {word} any more ({why})");
    }
    let instead = |(file, word): (String, &str)| {
        let (_, instead) = WORDS.iter().find(|(known, _)| *known == word).expect("one of them");
        format!("{file}: {word}: say {instead}")
    };
    assert_eq!(found.into_iter().map(instead).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_word_that_came_back_is_found_and_one_in_a_comment_is_not() {
    assert_eq!(words("use tokio::sync::{mpsc, watch};\n"), ["mpsc", "tokio::sync:: watch"]);
    assert_eq!(words("    tokio::select! {\n"), ["tokio::select"]);
    assert_eq!(words("use std::sync::{Arc, Mutex};\n"), ["std::sync:: Mutex"]);
    assert_eq!(words("use std::sync::Arc;\nuse linchpin::sync::Mutex;\n"), [""; 0]);
    assert_eq!(words("/// Not `tokio::time::sleep`.\nfn f() {}\n"), [""; 0]);
}
