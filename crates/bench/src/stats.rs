//! Three figures out of many.

use std::time::Duration;

use hdrhistogram::Histogram;

/// What is reported of several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Half of them are below.
    pub median: f64,
    /// The 10th percentile of samples, the smallest of rounds.
    pub low: f64,
    /// The 90th percentile of samples, the largest of rounds.
    pub high: f64,
}

impl Summary {
    /// Of many samples: the median between the 10th and the 90th percentile.
    ///
    /// # Panics
    ///
    /// Without a sample.
    #[must_use]
    pub fn of_samples(samples: &[f64]) -> Self {
        Self::between(samples, 0.1, 0.9)
    }

    /// Of a few rounds, too few for percentiles: the median between the smallest and the largest.
    ///
    /// # Panics
    ///
    /// Without a round.
    #[must_use]
    pub fn of_rounds(rounds: &[f64]) -> Self {
        Self::between(rounds, 0.0, 1.0)
    }

    /// Of one figure.
    #[must_use]
    pub fn of_one(figure: f64) -> Self {
        Self { median: figure, low: figure, high: figure }
    }

    fn between(samples: &[f64], low: f64, high: f64) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share| quantile(&sorted, share);
        Self { median: at(0.5), low: at(low), high: at(high) }
    }
}

/// Durations, counted to three digits, of any length.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    /// Counts one more.
    #[expect(clippy::missing_panics_doc, reason = "the range widens by itself")]
    pub fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // Not `saturating_record`: that one never widens the range, which begins with nothing.
        self.0.record(nanos).expect("the range widens by itself");
    }

    /// Counts all of `other`, too.
    #[expect(clippy::missing_panics_doc, reason = "the range widens by itself")]
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the range widens by itself");
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// So many milliseconds were enough for that share.
    #[must_use]
    pub fn millis(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1e6
    }
}

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three digits are allowed"))
    }
}

/// The median.
///
/// # Panics
///
/// Without a sample.
#[must_use]
pub fn median(samples: &[f64]) -> f64 {
    Summary::of_samples(samples).median
}

/// Between its two neighbours in proportion, as spreadsheets do it.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    assert!(!sorted.is_empty(), "no sample, no figure");
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Summary, Times, median};

    #[test]
    fn times_of_every_length_keep_three_digits() {
        let mut times = Times::default();
        times.record(Duration::from_micros(20));
        let mut other = Times::default();
        other.record(Duration::from_secs(90));
        times.add(&other);
        for (share, expected) in [(0.5, 0.02), (1.0, 90_000.0)] {
            let found = times.millis(share);
            assert!((found / expected - 1.0).abs() < 0.002, "{found}");
        }
    }

    #[test]
    fn samples_become_median_and_tenths_whatever_their_order() {
        let samples: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        let expected = Summary { median: 50.0, low: 10.0, high: 90.0 };
        assert_eq!(Summary::of_samples(&samples), expected);
    }

    #[test]
    fn rounds_keep_their_extremes() {
        let expected = Summary { median: 2.0, low: 1.0, high: 9.0 };
        assert_eq!(Summary::of_rounds(&[9.0, 1.0, 2.0]), expected);
    }

    #[test]
    fn an_even_number_has_its_median_between_the_middle_two() {
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    #[should_panic(expected = "no sample")]
    fn nothing_measured_is_no_figure() {
        assert!(Summary::of_samples(&[]).median.is_nan());
    }
}
