//! Whose turn it is: by turns among groups, and in each by turns among its lanes.
//!
//! Who becomes ready, or has had a turn, goes to the end. A class of lanes may be passed over while its share is used up;
//! its lanes keep their turns meanwhile, and come first when it is open again. So nobody who may go is passed twice by
//! the same one.

use std::collections::BTreeMap;

use super::class::{Class, Open};

/// The groups with a lane that is ready.
#[derive(Debug, Default)]
pub(super) struct Line {
    groups: Order,
    turns: u64,
}

/// The lanes of a group that are ready, and where the group stands in the line.
#[derive(Debug, Default)]
pub(super) struct Part {
    lanes: Order,
    turn: u64,
    /// Under which classes the group stands in the line.
    stands: Open,
}

/// Where a lane stands in the part of its group, if it is ready.
pub(super) type Spot = Option<(Class, u64)>;

/// Rows of each class by their turns.
#[derive(Debug, Default)]
struct Order([BTreeMap<u64, u32>; Class::ALL.len()]);

// ===== impl Line =====

impl Line {
    /// The group whose turn it is, of those with a lane of an open class.
    pub(super) fn first(&self, open: Open) -> Option<u32> {
        self.groups.first(open)
    }

    /// Has a lane stand where it belongs: under its class if it is ready, and at the end if it was not.
    pub(super) fn place(
        &mut self,
        part: &mut Part,
        spot: &mut Spot,
        lane: u32,
        ready: Option<Class>,
    ) {
        if spot.map(|(class, _)| class) == ready {
            return;
        }
        let before = part.leave(spot);
        *spot = ready.map(|class| {
            let turn = before.unwrap_or_else(|| self.turn());
            part.lanes.0[class as usize].insert(turn, lane);
            (class, turn)
        });
    }

    /// The same for a group, after its lanes; one that is not `open` stands nowhere.
    pub(super) fn place_group(&mut self, part: &mut Part, group: u32, open: bool) {
        let ready = part.lanes.0.each_ref().map(|lanes| open && !lanes.is_empty());
        if ready == part.stands {
            return;
        }
        if part.stands == Open::default() {
            part.turn = self.turn();
        }
        for (class, lanes) in self.groups.0.iter_mut().enumerate() {
            match (part.stands[class], ready[class]) {
                (false, true) => _ = lanes.insert(part.turn, group),
                (true, false) => _ = lanes.remove(&part.turn),
                _ => {}
            }
        }
        part.stands = ready;
    }

    /// A lane and its group have had their turn, and stand nowhere until they are placed again.
    pub(super) fn pass(&mut self, part: &mut Part, spot: &mut Spot, group: u32) {
        part.leave(spot);
        self.place_group(part, group, false);
    }

    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}

// ===== impl Part =====

impl Part {
    /// The lane whose turn it is, of those of an open class.
    pub(super) fn first(&self, open: Open) -> Option<u32> {
        self.lanes.first(open)
    }

    fn leave(&mut self, spot: &mut Spot) -> Option<u64> {
        let (class, turn) = spot.take()?;
        self.lanes.0[class as usize].remove(&turn);
        Some(turn)
    }
}

// ===== impl Order =====

impl Order {
    fn first(&self, open: Open) -> Option<u32> {
        let rows = self
            .0
            .iter()
            .zip(open)
            .filter_map(|(rows, open)| rows.first_key_value().filter(|_| open));
        rows.min_by_key(|(turn, _)| **turn).map(|(_, row)| *row)
    }
}
