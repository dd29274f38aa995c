//! Tuples of futures of which the first counts.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Two to four futures that are waited for together: tuples of them.
pub trait Branches {
    /// Which of them was ready, and with what.
    type Output;
    /// The future that waits for the first.
    type First: Future<Output = Self::Output>;

    /// Waits for the first that is ready; they are polled in their order, or in one
    /// drawn by chance.
    #[doc(hidden)]
    fn first(self, by_chance: bool) -> Self::First;
}

/// All orders are equally likely. One that only begins anywhere and goes on in turn would give a branch the chances of
/// those before it that are not ready.
///
/// A byte each, the first lowest: an array that is written by bytes and copied as words makes the processor wait.
fn order<const N: u32>(by_chance: bool) -> u32 {
    let mut order = u32::from_le_bytes([0, 1, 2, 3]);
    if by_chance {
        // One draw for all the swaps of Fisher and Yates.
        let orders: u32 = (2..=N).product();
        let mut chance = fastrand::u32(..orders);
        for last in 1..N {
            let (here, there) = (last * 8, chance % (last + 1) * 8);
            let differs = (order >> here ^ order >> there) & 0xff;
            order ^= differs << here;
            order ^= differs << there;
            chance /= last + 1;
        }
    }
    order
}

/// The code of one arity: a future for its tuple, and an enum for which it was.
macro_rules! branches {
    ($doc:literal, $output:ident, $future:ident, $count:literal: $($index:literal $field:ident $variant:ident $type:ident),+) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $output<$($type),+> {
            $(#[doc = concat!("Number ", stringify!($index), " of the tuple, counted from 0.")] $variant($type),)+
        }

        pin_project! {
            #[derive(Debug)]
            pub struct $future<$($type),+> {
                order: u32,
                $(#[pin] $field: $type,)+
            }
        }

        impl<$($type: Future),+> Future for $future<$($type),+> {
            type Output = $output<$($type::Output),+>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let mut this = self.project();
                for turn in 0..$count {
                    match (*this.order >> (turn * 8)) & 0xff {
                        $($index => if let Poll::Ready(output) = this.$field.as_mut().poll(cx) {
                            return Poll::Ready($output::$variant(output));
                        },)+
                        _ => unreachable!("an order of all of them"),
                    }
                }
                Poll::Pending
            }
        }

        impl<$($type: Future),+> Branches for ($($type,)+) {
            type Output = $output<$($type::Output),+>;
            type First = $future<$($type),+>;

            fn first(self, by_chance: bool) -> Self::First {
                let ($($field,)+) = self;
                $future { order: order::<$count>(by_chance), $($field),+ }
            }
        }
    };
}

branches!("Which of two it was.", Two, FirstOfTwo, 2: 0 first First A, 1 second Second B);
branches!("Which of three it was.", Three, FirstOfThree, 3: 0 first First A, 1 second Second B, 2 third Third C);
branches!("Which of four it was.", Four, FirstOfFour, 4: 0 first First A, 1 second Second B, 2 third Third C, 3 fourth Fourth D);
