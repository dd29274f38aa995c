//! Scripts: what they consist of, how they read, and how they are shrunk.

use std::fmt;

use serde::Serialize;

/// How many keys scripts use; for us each is a type.
pub(crate) const KEYS: usize = 4;
/// The cause that some deadlines have in Go.
pub(crate) const LATE: &str = "too late";
/// The cause that callbacks cancel with.
pub(crate) const BY_CALLBACK: &str = "by a callback";

/// What is done, and how our side looks on.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) kind: Kind,
}

/// What a script may do. Apart, because together they would race in Go, where callbacks run in goroutines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// No callbacks; nobody waits on our side: nodes are only looked at.
    Looks,
    /// A waiter a node, and callbacks that do nothing.
    Waits,
    /// A waiter a node, and callbacks that cancel a node of a later tree. No two deadlines are the same.
    Acts,
    /// A waiter a node, callbacks that do nothing, and nodes with two parents. No two ends at the same time: which of two
    /// parents ended first is told by the clock alone.
    Merges,
}

/// One operation. Nodes and callbacks are named by the order in which they were made; node 0 is the root.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Step {
    WithCancel {
        node: usize,
    },
    WithCancelCause {
        node: usize,
    },
    WithTimeout {
        node: usize,
        ms: u64,
        cause: Option<&'static str>,
        stack: bool,
    },
    WithDeadline {
        node: usize,
        ms: u64,
        cause: Option<&'static str>,
        stack: bool,
    },
    WithValue {
        node: usize,
        key: usize,
        value: String,
    },
    WithoutCancel {
        node: usize,
    },
    Merge {
        node: usize,
        other: usize,
    },
    Cancel {
        node: usize,
        cause: Option<String>,
    },
    /// The owner goes. Go has no owners, only `defer cancel()`.
    #[serde(rename = "cancel")]
    Drop {
        node: usize,
    },
    /// The owner gives the node free; in Go the cancel function is not called any more.
    Forget {
        node: usize,
    },
    Advance {
        ms: u64,
    },
    After {
        node: usize,
        then: Option<usize>,
    },
    Stop {
        after: usize,
    },
}

// ===== impl Script =====

impl Script {
    /// This script without one step and without all that depends on what that step makes.
    pub(crate) fn without(&self, at: usize) -> Self {
        let (mut nodes, mut callbacks) = (vec![Some(0)], Vec::new());
        let (mut kept_nodes, mut kept_callbacks) = (1, 0);
        let mut steps = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let kept = step.renamed(&nodes, &callbacks).filter(|_| index != at);
            match step {
                Step::After { .. } => {
                    callbacks.push(kept.is_some().then_some(kept_callbacks));
                    kept_callbacks += usize::from(kept.is_some());
                }
                _ if step.makes_a_node() => {
                    nodes.push(kept.is_some().then_some(kept_nodes));
                    kept_nodes += usize::from(kept.is_some());
                }
                _ => {}
            }
            steps.extend(kept);
        }
        Self { steps, kind: self.kind }
    }
}

// ===== impl Step =====

impl Step {
    fn makes_a_node(&self) -> bool {
        matches!(
            self,
            Self::WithCancel { .. }
                | Self::WithCancelCause { .. }
                | Self::WithTimeout { .. }
                | Self::WithDeadline { .. }
                | Self::WithValue { .. }
                | Self::WithoutCancel { .. }
                | Self::Merge { .. }
        )
    }

    /// The same with new names, where both tables have one for everything that it names.
    fn renamed(&self, nodes: &[Option<usize>], callbacks: &[Option<usize>]) -> Option<Self> {
        let mut step = self.clone();
        match &mut step {
            Self::Merge { node, other } | Self::After { node, then: Some(other) } => {
                *node = nodes[*node]?;
                *other = nodes[*other]?;
            }
            Self::WithCancel { node }
            | Self::WithCancelCause { node }
            | Self::WithTimeout { node, .. }
            | Self::WithDeadline { node, .. }
            | Self::WithValue { node, .. }
            | Self::WithoutCancel { node }
            | Self::Cancel { node, .. }
            | Self::Drop { node }
            | Self::Forget { node }
            | Self::After { node, then: None } => *node = nodes[*node]?,
            Self::Stop { after } => *after = callbacks[*after]?,
            Self::Advance { .. } => {}
        }
        Some(step)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WithCancel { node } => write!(f, "WithCancel(n{node})"),
            Self::WithCancelCause { node } => write!(f, "WithCancelCause(n{node})"),
            Self::WithTimeout { node, ms, .. } => write!(f, "WithTimeout(n{node}, {ms} ms)"),
            Self::WithDeadline { node, ms, .. } => write!(f, "WithDeadline(n{node}, at {ms} ms)"),
            Self::WithValue { node, key, value } => {
                write!(f, "WithValue(n{node}, k{key}, {value})")
            }
            Self::WithoutCancel { node } => write!(f, "WithoutCancel(n{node})"),
            Self::Merge { node, other } => write!(f, "merge(n{node}, n{other})"),
            Self::Cancel { node, cause: None } => write!(f, "cancel n{node}"),
            Self::Cancel { node, cause: Some(cause) } => write!(f, "cancel n{node}, `{cause}`"),
            Self::Drop { node } => write!(f, "drop the owner of n{node}"),
            Self::Forget { node } => write!(f, "give n{node} free"),
            Self::Advance { ms } => write!(f, "advance {ms} ms"),
            Self::After { node, then: None } => write!(f, "AfterFunc(n{node}, nothing)"),
            Self::After { node, then: Some(then) } => {
                write!(f, "AfterFunc(n{node}, cancel n{then}, `{BY_CALLBACK}`)")
            }
            Self::Stop { after } => write!(f, "stop callback {after}"),
        }
    }
}

impl fmt::Display for Script {
    /// A line a step; what makes a node says which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes = 0;
        for step in &self.steps {
            if step.makes_a_node() {
                nodes += 1;
                writeln!(f, "  n{nodes} = {step}")?;
            } else {
                writeln!(f, "  {step}")?;
            }
        }
        Ok(())
    }
}
