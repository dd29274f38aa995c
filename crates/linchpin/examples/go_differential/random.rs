//! Random scripts whose outcome in Go is not a matter of luck.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::script::{KEYS, Kind, LATE, Script, Step};

/// The longest script, in steps.
const LONGEST: usize = 28;
/// The longest timeout and the longest advance, in milliseconds: a few advances go past most deadlines.
const TIMEOUT: u64 = 80;
const ADVANCE: u64 = 40;

/// A random script of a random kind.
pub(crate) fn script(rng: &mut Rng) -> Script {
    let kind = [Kind::Looks, Kind::Waits, Kind::Acts, Kind::Merges][rng.usize(..4)];
    let mut writer = Writer {
        steps: Vec::new(),
        kind,
        nodes: vec![Node::free(None)],
        callbacks: 0,
        now: 0,
        deadlines: BTreeSet::new(),
    };
    for turn in 0..rng.usize(1..=LONGEST) {
        let step = writer.step(turn, rng);
        writer.steps.extend(step);
    }
    Script { steps: writer.steps, kind }
}

/// What has been written so far, as far as it decides what can follow.
struct Writer {
    steps: Vec<Step>,
    kind: Kind,
    nodes: Vec<Node>,
    callbacks: usize,
    now: u64,
    deadlines: BTreeSet<u64>,
}

#[derive(Clone, Copy)]
struct Node {
    /// Whether somebody can still end this very node.
    owned: bool,
    /// Whether Go lets them say why.
    takes_cause: bool,
    /// The topmost node whose end is this one's end, too; `None` if nothing can end it.
    tree: Option<usize>,
    /// Whether a callback may end it.
    targeted: bool,
}

// ===== impl Writer =====

impl Writer {
    /// A step, or `None` where the one that was drawn makes no sense.
    fn step(&mut self, turn: usize, rng: &mut Rng) -> Option<Step> {
        let node = rng.usize(..self.nodes.len());
        let tree = self.nodes[node].tree;
        let step = match rng.u8(..100) {
            0..12 => {
                self.derived(tree, false);
                Step::WithCancel { node }
            }
            12..26 => {
                self.derived(tree, true);
                Step::WithCancelCause { node }
            }
            26..34 => {
                let ms = self.deadline(self.now + rng.u64(..TIMEOUT)) - self.now;
                let (stack, cause) = (rng.bool(), rng.bool().then_some(LATE));
                self.derived(tree, stack);
                Step::WithTimeout { node, ms, cause, stack }
            }
            34..42 => {
                let ms = self.deadline(rng.u64(..self.now + TIMEOUT));
                let (stack, cause) = (rng.bool(), rng.bool().then_some(LATE));
                self.derived(tree, stack);
                Step::WithDeadline { node, ms, cause, stack }
            }
            42..48 => {
                self.nodes.push(Node::free(tree));
                Step::WithValue { node, key: rng.usize(..KEYS), value: format!("v{turn}") }
            }
            48..52 => {
                self.nodes.push(Node::free(None));
                Step::WithoutCancel { node }
            }
            52..58 if self.kind == Kind::Merges => {
                let other = rng.usize(..self.nodes.len());
                self.derived(tree, true);
                Step::Merge { node, other }
            }
            52..70 => {
                let node = self.pick(rng, |node| node.owned)?;
                let cause = self.nodes[node].takes_cause && rng.bool();
                self.go_on();
                Step::Cancel { node, cause: cause.then(|| format!("cause {turn}")) }
            }
            70..73 => {
                let node = self.pick(rng, |node| node.owned)?;
                self.nodes[node].owned = false;
                self.go_on();
                Step::Drop { node }
            }
            73..75 => {
                let node = self.pick(rng, |node| node.owned && !node.targeted)?;
                self.nodes[node].owned = false;
                Step::Forget { node }
            }
            75..85 => {
                let ms = rng.u64(1..=ADVANCE);
                self.now += ms;
                Step::Advance { ms }
            }
            85..94 if self.kind != Kind::Looks => {
                self.callbacks += 1;
                Step::After { node, then: self.target(tree, rng) }
            }
            94.. if self.callbacks > 0 => Step::Stop { after: rng.usize(..self.callbacks) },
            _ => return None,
        };
        Some(step)
    }

    fn derived(&mut self, tree: Option<usize>, takes_cause: bool) {
        let tree = tree.or(Some(self.nodes.len()));
        self.nodes.push(Node { owned: true, takes_cause, tree, targeted: false });
    }

    /// A deadline at `ms`, or later where two at once would race or could not be told apart.
    fn deadline(&mut self, mut ms: u64) -> u64 {
        match self.kind {
            Kind::Acts => {
                while !self.deadlines.insert(ms) {
                    ms += 1;
                }
                ms
            }
            Kind::Merges => ms.max(self.now).next_multiple_of(2),
            Kind::Looks | Kind::Waits => ms,
        }
    }

    /// Where nodes have two parents, lets time go on to an odd millisecond before one is ended: deadlines are even.
    fn go_on(&mut self) {
        if self.kind == Kind::Merges {
            let ms = 1 + self.now % 2;
            self.now += ms;
            self.steps.push(Step::Advance { ms });
        }
    }

    /// What a callback cancels: a node that takes a cause, and of a tree that was begun later than the one that ends.
    /// Within one tree, and round a circle of trees, Go's goroutines race with the end that started them.
    fn target(&mut self, tree: Option<usize>, rng: &mut Rng) -> Option<usize> {
        if self.kind != Kind::Acts {
            return None;
        }
        let target = self.pick(rng, |node| node.owned && node.takes_cause && node.tree > tree)?;
        self.nodes[target].targeted = true;
        Some(target)
    }

    fn pick(&self, rng: &mut Rng, fits: impl Fn(Node) -> bool) -> Option<usize> {
        let nodes = (0..self.nodes.len()).filter(|node| fits(self.nodes[*node]));
        rng.choice(nodes.collect::<Vec<_>>())
    }
}

impl Node {
    fn free(tree: Option<usize>) -> Self {
        Self { owned: false, takes_cause: false, tree, targeted: false }
    }
}
