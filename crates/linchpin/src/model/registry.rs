//! The list of live tasks, and the watch that looks names up in it.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use super::{catches, holds};
use crate::shim::Fault;
use crate::task::{Kind, Registry, Slot};

fn enter(registry: &Registry, name: &'static str) -> crate::task::Key {
    registry.enter(0, name, Location::caller(), Kind::Async)
}

/// Two threads enter one shard and leave it, a third looks.
fn tasks_that_enter_at_once_are_told_apart() {
    let registry = Arc::new(Registry::new());
    let tasks = ["one", "two"].map(|name| {
        let registry = registry.clone();
        thread::spawn(move || {
            let first = enter(&registry, name);
            let second = enter(&registry, name);
            registry.leave(first);
            second
        })
    });
    let seen = registry.older_than(Duration::ZERO);
    let ids: BTreeSet<u64> = seen.iter().map(|task| task.id).collect();
    assert_eq!(ids.len(), seen.len(), "two tasks with one number");
    let keys = tasks.map(|task| task.join().unwrap());
    let ids: BTreeSet<u64> =
        registry.older_than(Duration::ZERO).iter().map(|task| task.id).collect();
    assert_eq!(ids.len(), 2);
    keys.into_iter().for_each(|key| registry.leave(key));
    assert_eq!(registry.count(), 0);
}

#[test]
fn registry_ids_are_unique() {
    holds("registry_ids_are_unique", tasks_that_enter_at_once_are_told_apart);
    catches(Fault::RegistryCountsOutsideItsLock, tasks_that_enter_at_once_are_told_apart);
}

/// A thread polls one task, which ends, then another that got its place; a watch looks who is polled.
///
/// The watch is the thread that is spawned: loom remembers the last access of a word only, and takes the polling
/// thread's own load for the one that its store has to be weighed against.
fn the_watch_never_blames_the_next_task() {
    let (registry, slot) = (Arc::new(Registry::new()), Arc::new(Slot::new()));
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
        let key = enter(&registry, name);
        let outer = slot.enter(key);
        slot.leave(outer);
        registry.leave(key);
    }
    watch.join().unwrap();
    assert_eq!(slot.read().key, None);
}

#[test]
fn registry_watch_names_the_right_task() {
    holds("registry_watch_names_the_right_task", the_watch_never_blames_the_next_task);
    catches(Fault::WatchLooksOnce, the_watch_never_blames_the_next_task);
}
