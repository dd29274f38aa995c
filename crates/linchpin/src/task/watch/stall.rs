//! When a poll is a stall: a pure state machine fed with what was seen and when.

use std::time::Duration;

use super::slot::Word;
use crate::task::Live;
use crate::time::Instant;

/// What one thread was last seen doing, and since when.
#[derive(Debug)]
pub(super) struct Spell {
    word: Word,
    /// When its turn was first seen, and last.
    first: Instant,
    last: Instant,
    /// The task that was told to stall, once it was.
    told: Option<Live>,
}

/// What a look at a thread shows.
#[derive(Debug)]
pub(super) enum Finding {
    Nothing,
    /// Its poll has taken that long, which is too long, and this was not told yet.
    Stalls(Duration),
    /// The poll of the task that was told is over; it took that long at least.
    Resumed(Live, Duration),
}

impl Spell {
    pub(super) fn new(now: Instant, word: Word) -> Self {
        Self { word, first: now, last: now, told: None }
    }

    /// Takes in that the thread shows `word` at `now`; a poll of `bound` or longer is a stall.
    ///
    /// Both ends of a poll lie between two looks, so a duration here is short by up to two periods, never long.
    pub(super) fn look(&mut self, now: Instant, word: Word, bound: Duration) -> Finding {
        if word.key.is_none() || word.turn != self.word.turn {
            let ended = std::mem::replace(self, Self::new(now, word));
            let lasted = ended.last - ended.first;
            return ended.told.map_or(Finding::Nothing, |task| Finding::Resumed(task, lasted));
        }
        // The innermost task may be another one meanwhile: the outermost poll is what holds the thread.
        self.word = word;
        self.last = now;
        let lasted = now - self.first;
        if self.told.is_none() && lasted >= bound {
            Finding::Stalls(lasted)
        } else {
            Finding::Nothing
        }
    }

    /// Remembers that the stall was told, with this task to blame.
    pub(super) fn tell(&mut self, task: Live) {
        self.told = Some(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Kind;
    use crate::task::registry::{Key, Place, find};

    const BOUND: Duration = Duration::from_millis(100);
    const TICK: Duration = Duration::from_millis(25);

    fn word(turn: u32, key: u32) -> Word {
        Word { turn, key: (key != 0).then_some(Key(key)) }
    }

    /// Shows `words`, one a tick, and says what was found at which tick; who stalls is told at once.
    fn findings(words: &[Word]) -> Vec<(usize, &'static str, Duration)> {
        let place = Place::new("blamed", std::panic::Location::caller(), Kind::Async);
        let begun = Instant::now();
        let mut spell = Spell::new(begun, words[0]);
        let mut found = Vec::new();
        for (tick, word) in words.iter().enumerate() {
            match spell.look(begun + TICK * tick as u32, *word, BOUND) {
                Finding::Nothing => {}
                Finding::Stalls(lasted) => {
                    spell.tell(find(place.key()).unwrap());
                    found.push((tick, "stalls", lasted));
                }
                Finding::Resumed(task, lasted) => {
                    assert_eq!(task.name, "blamed");
                    found.push((tick, "resumed", lasted));
                }
            }
        }
        found
    }

    #[test]
    fn a_poll_longer_than_the_bound_is_told_once_and_again_when_it_is_over() {
        let mut words = vec![word(1, 7); 8];
        words.push(word(1, 0));
        assert_eq!(findings(&words), [(4, "stalls", BOUND), (8, "resumed", TICK * 7)]);
    }

    #[test]
    fn many_short_polls_of_one_task_are_no_stall() {
        let words: Vec<Word> = (0..50).map(|turn| word(turn, 7)).collect();
        assert_eq!(findings(&words), []);
    }

    #[test]
    fn a_thread_without_work_does_not_stall() {
        assert_eq!(findings(&[word(3, 0); 50]), []);
    }

    #[test]
    fn a_poll_that_polls_many_others_is_one_poll() {
        let words: Vec<Word> = (1..10).map(|key| word(1, key)).collect();
        assert_eq!(findings(&words), [(4, "stalls", BOUND)]);
    }

    #[test]
    fn the_end_of_a_stall_is_the_beginning_of_the_next_poll() {
        let mut words = vec![word(1, 7); 5];
        words.extend([word(2, 7); 5]);
        let expected = [(4, "stalls", BOUND), (5, "resumed", BOUND), (9, "stalls", BOUND)];
        assert_eq!(findings(&words), expected);
    }
}
