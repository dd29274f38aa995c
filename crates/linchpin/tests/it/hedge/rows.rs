//! The cases of the specification as rows.

use std::time::Duration;

use linchpin::resilience::hedge::Options;
use linchpin::resilience::retry::StopReason;

use super::{MS, ample};

/// What an attempt does: it takes so long, and has this status; `asks` to be left alone for so long.
#[derive(Clone, Copy)]
pub(super) struct Does {
    pub(super) takes: u64,
    pub(super) status: u16,
    pub(super) asks: Option<u64>,
}

const fn does(takes: u64, status: u16) -> Does {
    Does { takes, status, asks: None }
}

/// Hangs.
const HANGS: Does = does(1 << 40, 200);

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) options: Options,
    pub(super) deadline: Option<u64>,
    pub(super) attempts: Vec<Does>,
    /// When attempts begin.
    pub(super) begun: &'static [u64],
    /// When it returns, and what: a status, or the deadline.
    pub(super) ends: (u64, Option<u16>),
    pub(super) stopped: Option<StopReason>,
    /// The statuses of the other attempts.
    pub(super) others: &'static [u16],
}

fn case(name: &'static str, attempts: &[Does], begun: &'static [u64], ends: (u64, u16)) -> Case {
    Case {
        name,
        options: ample(),
        deadline: None,
        attempts: attempts.to_vec(),
        begun,
        ends: (ends.0, Some(ends.1)),
        stopped: None,
        others: &[],
    }
}

/// Of attempts alone.
pub(super) fn cases() -> Vec<Case> {
    use StopReason::{Budget as Spent, Final, Pushback};
    let asks = |takes, status, asks| Does { takes, status, asks: Some(asks) };
    vec![
        Case {
            ..case(
                "H1: no answer",
                &[HANGS, HANGS, HANGS, does(9, 200)],
                &[0, 500, 1000, 1500],
                (1509, 200),
            )
        },
        Case {
            ..case(
                "H2: the first fails",
                &[does(100, 503), HANGS, HANGS, does(1, 200)],
                &[0, 100, 600, 1100],
                (1101, 200),
            )
        },
        Case { ..case("H3: the second wins", &[HANGS, does(200, 200)], &[0, 500], (700, 200)) },
        Case {
            stopped: Some(Final),
            ..case("H4: a final answer", &[does(100, 400)], &[0], (100, 400))
        },
        Case {
            stopped: Some(Final),
            others: &[503],
            ..case(
                "H4: a final answer of the second",
                &[does(100, 503), does(7, 400)],
                &[0, 100],
                (107, 400),
            )
        },
        Case {
            options: Options::default().idempotent().delay(500 * MS),
            ..case("H5: no budget", &[does(5000, 200)], &[0], (5000, 200))
        },
        Case {
            options: Options::default().idempotent().delay(500 * MS),
            stopped: Some(Spent),
            ..case("H5: no budget, and a failure", &[does(5, 503)], &[0], (5, 503))
        },
        Case {
            ..case(
                "H6: asked to wait",
                &[asks(100, 503, 300), HANGS, does(1, 200)],
                &[0, 400, 900],
                (901, 200),
            )
        },
        Case {
            ..case(
                "asked to wait while another runs",
                &[does(3000, 200), asks(100, 503, 700), HANGS],
                &[0, 500, 1300, 1800],
                (3000, 200),
            )
        },
        Case {
            stopped: Some(Pushback),
            ..case("asked to wait for too long", &[asks(100, 503, 61_000)], &[0], (100, 503))
        },
        Case {
            ..case(
                "asked never to come again",
                &[does(2000, 200), does(100, 599)],
                &[0, 500],
                (2000, 200),
            )
        },
        Case {
            stopped: Some(Pushback),
            ..case(
                "asked never to come again, and nobody else",
                &[does(100, 599)],
                &[0],
                (100, 599),
            )
        },
    ]
}

/// Of deadlines.
pub(super) fn deadline_cases() -> Vec<Case> {
    use StopReason::Deadline;
    let asks = |takes, status, asks| Does { takes, status, asks: Some(asks) };
    vec![
        Case {
            deadline: Some(600),
            stopped: Some(Deadline),
            ends: (600, None),
            ..case("H7: the deadline", &[HANGS], &[0, 500], (600, 0))
        },
        Case {
            deadline: Some(500),
            stopped: Some(Deadline),
            ends: (500, None),
            ..case("the next would have no time", &[HANGS], &[0], (500, 0))
        },
        Case {
            deadline: Some(501),
            stopped: Some(Deadline),
            ends: (501, None),
            ..case("the next has a millisecond", &[HANGS], &[0, 500], (501, 0))
        },
        Case {
            deadline: Some(400),
            ..case(
                "too late for being slow, in time for a failure",
                &[does(100, 503), does(50, 200)],
                &[0, 100],
                (150, 200),
            )
        },
        Case {
            deadline: Some(1000),
            stopped: Some(Deadline),
            ..case("asked to wait beyond the deadline", &[asks(100, 503, 900)], &[0], (100, 503))
        },
    ]
}

/// Of unmarked calls, and of the options.
pub(super) fn other_cases() -> Vec<Case> {
    use StopReason::{Attempts, Unsafe};
    let unmarked = || Options::default().delay(500 * MS).max_attempts(4).max_extra_load(10.0);
    vec![
        Case { options: unmarked(), ..case("H8: unmarked", &[does(5000, 200)], &[0], (5000, 200)) },
        Case {
            options: unmarked(),
            stopped: Some(Unsafe),
            ..case("H8: unmarked, and a failure", &[does(100, 503)], &[0], (100, 503))
        },
        Case {
            options: unmarked(),
            ..case(
                "unmarked, but never connected",
                &[does(100, 0), does(5000, 200)],
                &[0, 100],
                (5100, 200),
            )
        },
        Case {
            options: ample().max_attempts(2),
            stopped: Some(Attempts),
            others: &[500],
            ..case("H10: both fail", &[does(700, 503), does(300, 500)], &[0, 500], (800, 503))
        },
        Case {
            options: ample().max_attempts(2),
            stopped: Some(Attempts),
            others: &[500],
            ..case(
                "H10: the second fails first",
                &[does(900, 503), does(300, 500)],
                &[0, 500],
                (900, 503),
            )
        },
        Case {
            stopped: Some(Attempts),
            others: &[500, 502, 504],
            ..case(
                "all fail at once",
                &[does(0, 503), does(0, 500), does(0, 502), does(0, 504)],
                &[0, 0, 0, 0],
                (0, 503),
            )
        },
        Case {
            options: ample().max_attempts(1),
            stopped: Some(Attempts),
            ..case("one attempt", &[does(700, 503)], &[0], (700, 503))
        },
        Case {
            options: ample().delay(Duration::ZERO),
            ..case(
                "no delay: all at once",
                &[HANGS, HANGS, does(70, 200), does(60, 200)],
                &[0, 0, 0, 0],
                (60, 200),
            )
        },
        Case {
            ..case(
                "asked for less: not before a second",
                &[does(100, 429), does(1, 200)],
                &[0, 1100],
                (1101, 200),
            )
        },
        Case {
            ..case(
                "answers together: the earlier attempt's",
                &[does(600, 201), does(100, 200)],
                &[0, 500],
                (600, 201),
            )
        },
    ]
}
