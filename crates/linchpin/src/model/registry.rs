//! The list of live tasks, and the watch that looks names up in it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::{catches, holds};
use crate::shim::Fault;
use crate::task::{Hand, Registry, Slot};

const NAMES: [&str; 2] = ["one", "two"];

/// Two threads of one shard enter tasks and leave each other's, and end; a third looks.
fn tasks_come_and_go() {
    let registry = Arc::new(Registry::new());
    let threads = NAMES.map(|name| {
        let registry = registry.clone();
        thread::spawn(move || {
            let mut hand = Hand::new(0);
            let first = registry.enter_as(&mut hand, name);
            let second = registry.enter_as(&mut hand, name);
            registry.leave(&mut hand, first);
            registry.release(&mut hand);
            second
        })
    });
    let seen = registry.older_than(Duration::ZERO);
    let ids: BTreeSet<u64> = seen.iter().map(|task| task.id).collect();
    assert_eq!(ids.len(), seen.len(), "two tasks with one number");
    let keys = threads.map(|thread| thread.join().unwrap());
    let mut names: Vec<_> = registry.older_than(Duration::ZERO).iter().map(|t| t.name).collect();
    names.sort_unstable();
    assert_eq!(names, NAMES);
    let mut hand = Hand::new(0);
    keys.into_iter().for_each(|key| registry.leave(&mut hand, key));
    registry.release(&mut hand);
    assert_eq!((registry.count(), registry.size()), (0, 0));
}

#[test]
fn registry_comes_and_goes() {
    holds("registry_comes_and_goes", tasks_come_and_go);
}

/// A thread gives a full chunk free while a task of it ends elsewhere: one of them sees to it.
fn a_chunk_is_never_forgotten() {
    let registry = Arc::new(Registry::new());
    let mut hand = Hand::new(0);
    let keys = NAMES.map(|name| registry.enter_as(&mut hand, name));
    let elsewhere = thread::spawn({
        let registry = registry.clone();
        move || {
            let mut hand = Hand::new(0);
            keys.into_iter().for_each(|key| registry.leave(&mut hand, key));
        }
    });
    registry.release(&mut hand);
    elsewhere.join().unwrap();
    assert_eq!((registry.count(), registry.size()), (0, 0), "a chunk was forgotten");
}

#[test]
fn registry_keeps_no_chunk() {
    holds("registry_keeps_no_chunk", a_chunk_is_never_forgotten);
    catches(Fault::RegistryLooksBeforeItGivesFree, a_chunk_is_never_forgotten);
}

/// A row is taken again while somebody reads it: what is read is one task or the other.
fn no_row_is_half_of_two_tasks() {
    let registry = Arc::new(Registry::new());
    // Of two rows one is taken, so that the others follow one another in the second.
    let mut hand = Hand::new(0);
    registry.enter_as(&mut hand, "stays");
    let reader = thread::spawn({
        let registry = registry.clone();
        move || {
            for task in registry.older_than(Duration::ZERO) {
                let number = (task.id >> 4) as usize;
                assert_eq!(
                    task.name,
                    ["stays", NAMES[0], NAMES[1]][number - 1],
                    "half of two tasks"
                );
            }
        }
    });
    for name in NAMES {
        let key = registry.enter_as(&mut hand, name);
        registry.leave(&mut hand, key);
    }
    reader.join().unwrap();
}

#[test]
fn registry_reads_whole_rows() {
    holds("registry_reads_whole_rows", no_row_is_half_of_two_tasks);
    catches(Fault::RegistryReadsOnce, no_row_is_half_of_two_tasks);
}

/// A thread ends a task of a chunk, which goes, and then one of the chunk that got its number.
fn a_removed_chunk_is_not_taken_for_its_heir() {
    let registry = Registry::new();
    let mut other = Hand::new(0);
    let elsewhere = |hand: &mut Hand| {
        let mut owner = Hand::new(0);
        let key = registry.enter_as(&mut owner, "brief");
        registry.release(&mut owner);
        registry.leave(hand, key);
    };
    elsewhere(&mut other);
    elsewhere(&mut other);
    assert_eq!((registry.count(), registry.size()), (0, 0), "a task left in the wrong chunk");
}

#[test]
fn registry_knows_a_chunk_that_is_gone() {
    holds("registry_knows_a_chunk_that_is_gone", a_removed_chunk_is_not_taken_for_its_heir);
    catches(Fault::RegistryTrustsARemovedChunk, a_removed_chunk_is_not_taken_for_its_heir);
}

/// A thread polls one task, which ends, then another that got its place; a watch looks who is polled.
///
/// The watch is the thread that is spawned: loom remembers the last access of a word only, and takes the polling
/// thread's own load for the one that its store has to be weighed against.
fn the_watch_never_blames_the_next_task() {
    let (registry, slot) = (Arc::new(Registry::new()), Arc::new(Slot::new()));
    // Of two rows one is taken, so that the others follow one another in the second.
    let mut hand = Hand::new(0);
    registry.enter_as(&mut hand, "stays");
    let watch = thread::spawn({
        let (registry, slot) = (registry.clone(), slot.clone());
        move || {
            let word = slot.read();
            if let Some(task) = slot.find(word, |key| registry.find(key)) {
                assert_eq!(task.name, ["first", "second"][word.turn as usize - 1]);
            }
        }
    });
    for name in ["first", "second"] {
        let key = registry.enter_as(&mut hand, name);
        let outer = slot.enter(key);
        slot.leave(outer);
        registry.leave(&mut hand, key);
    }
    watch.join().unwrap();
    assert_eq!(slot.read().key, None);
}

#[test]
fn registry_watch_names_the_right_task() {
    holds("registry_watch_names_the_right_task", the_watch_never_blames_the_next_task);
    catches(Fault::WatchLooksOnce, the_watch_never_blames_the_next_task);
}
