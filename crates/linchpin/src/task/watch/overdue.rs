//! Which tasks live longer than they should: each is told once.

use std::collections::HashSet;

use crate::task::{Kind, Live};

/// Remembers who was told.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    told: HashSet<u64>,
}

impl Overdue {
    /// Of the tasks that are too old now, those not told before; forgets who is gone.
    ///
    /// Threads are made for what lasts as long as a component and are not judged, nor is who is named in `long_lived`.
    pub(super) fn look(&mut self, old: &[Live], long_lived: &[&str]) -> Vec<Live> {
        let judged =
            old.iter().filter(|task| task.kind != Kind::Thread && !long_lived.contains(&task.name));
        let told = std::mem::take(&mut self.told);
        judged
            .filter(|task| {
                self.told.insert(task.id);
                !told.contains(&task.id)
            })
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::registry::{Place, find};

    /// Tasks of these names and kinds, alive as long as their places.
    fn tasks(names: &[(&'static str, Kind)]) -> (Vec<Live>, Vec<Place>) {
        let site = std::panic::Location::caller();
        let places: Vec<Place> =
            names.iter().map(|(name, kind)| Place::new(name, site, *kind)).collect();
        (places.iter().map(|place| find(place.key()).unwrap()).collect(), places)
    }

    fn names(tasks: &[Live]) -> Vec<&'static str> {
        tasks.iter().map(|task| task.name).collect()
    }

    #[test]
    fn each_is_told_once() {
        let (tasks, _places) =
            tasks(&[("a", Kind::Async), ("b", Kind::Blocking), ("c", Kind::Async)]);
        let mut overdue = Overdue::default();
        assert_eq!(names(&overdue.look(&tasks[..1], &[])), ["a"]);
        assert_eq!(names(&overdue.look(&tasks, &[])), ["b", "c"]);
        assert_eq!(names(&overdue.look(&tasks, &[])), [""; 0]);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let (tasks, _places) = tasks(&[("a", Kind::Async), ("b", Kind::Async)]);
        let mut overdue = Overdue::default();
        overdue.look(&tasks, &[]);
        overdue.look(&tasks[1..], &[]);
        assert_eq!(overdue.told.len(), 1);
    }

    #[test]
    fn threads_and_those_who_are_named_may_live_on() {
        let (tasks, _places) =
            tasks(&[("writer", Kind::Thread), ("accept", Kind::Async), ("a", Kind::Async)]);
        assert_eq!(names(&Overdue::default().look(&tasks, &["accept"])), ["a"]);
    }
}
