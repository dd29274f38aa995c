//! What is the same for all tasks of one line, told once: a task in the list has the number of it.

use std::collections::BTreeMap;
use std::panic::Location;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Kind;

/// The name, the line and the kind of a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub(super) name: &'static str,
    pub(super) site: &'static Location<'static>,
    pub(super) kind: Kind,
}

/// The labels that a thread has used last, found by their addresses.
pub(super) struct Known([Option<(Label, u32)>; KNOWN]);

const KNOWN: usize = 16;

/// Every label there was. A program has as many as it has lines that spawn, and keeps them.
static LABELS: Mutex<Labels> = Mutex::new(Labels { numbers: BTreeMap::new(), all: Vec::new() });

struct Labels {
    numbers: BTreeMap<Id, u32>,
    all: Vec<Label>,
}

/// A label by its addresses: two that read alike may be told apart, which does no harm.
type Id = (usize, usize, usize, u8);

impl Label {
    fn id(&self) -> Id {
        (
            self.name.as_ptr().addr(),
            self.name.len(),
            ptr::from_ref(self.site).addr(),
            self.kind as u8,
        )
    }
}

impl Known {
    pub(super) const fn new() -> Self {
        Self([None; KNOWN])
    }

    pub(super) fn number(&mut self, label: Label) -> u32 {
        let id = label.id();
        // Lines are at least eight bytes apart, and names in no order.
        let known = &mut self.0[((id.2 >> 3) ^ id.0) % KNOWN];
        match known {
            Some((known, number)) if known.id() == id => *number,
            _ => {
                let number = all().number(label);
                *known = Some((label, number));
                number
            }
        }
    }
}

impl Labels {
    #[cold]
    fn number(&mut self, label: Label) -> u32 {
        let Self { numbers, all } = self;
        *numbers.entry(label.id()).or_insert_with(|| {
            all.push(label);
            // Four billion lines would not fit into a program.
            all.len() as u32 - 1
        })
    }
}

/// The label with that number.
pub(super) fn label(number: u32) -> Label {
    all().all[number as usize]
}

fn all() -> MutexGuard<'static, Labels> {
    LABELS.lock().unwrap_or_else(PoisonError::into_inner)
}
