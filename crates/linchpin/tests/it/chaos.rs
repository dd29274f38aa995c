//! Chaos: the specification's cases, the rules of all policies, the layer of tower, and that nothing happens by itself.

mod cases;
mod layer;
mod life;
mod rules;

use std::cell::{Cell, RefCell};
use std::future::{Ready, ready};
use std::time::Duration;

use linchpin::resilience::chaos::{Chaos, Options};
use linchpin::{Context, Error, Kind};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

thread_local! {
    static U: Cell<f64> = const { Cell::new(0.0) };
}

/// What is drawn from now on.
pub(crate) fn draws(u: f64) {
    U.set(u);
}

/// Chance as the test wants it.
pub(crate) fn scripted<T>() -> Options<T, Error> {
    Options::default().random(|| U.get())
}

/// On, for all calls.
pub(crate) fn chaos<T>(options: Options<T, Error>) -> Chaos<T, Error> {
    let chaos = Chaos::new("test", |_| true, options).unwrap();
    chaos.enable(MINUTE).unwrap();
    chaos
}

pub(crate) fn faults<T>(rate: f64) -> Options<T, Error> {
    scripted().fault_of(rate, Kind::Unavailable)
}

/// A callee that counts how often it was asked.
#[derive(Default)]
pub(crate) struct Callee(RefCell<u32>);

impl Callee {
    /// Whether a call through `chaos` reached it unharmed.
    pub(crate) async fn asked(&self, chaos: &Chaos<u8, Error>) -> bool {
        self.asked_in(chaos, &Context::root()).await
    }

    pub(crate) async fn asked_in(&self, chaos: &Chaos<u8, Error>, ctx: &Context) -> bool {
        let before = self.times();
        let result = chaos.call(ctx, || self.answer()).await;
        let was_asked = self.times() > before;
        assert_eq!(was_asked, result.is_ok_and(|answer| answer == 7));
        was_asked
    }

    pub(crate) fn answer(&self) -> Ready<Result<u8, Error>> {
        *self.0.borrow_mut() += 1;
        ready(Ok(7))
    }

    pub(crate) fn times(&self) -> u32 {
        *self.0.borrow()
    }
}
