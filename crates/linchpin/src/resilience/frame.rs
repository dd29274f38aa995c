//! Numbers beside a word that all threads change.
//!
//! The word has an epoch, and the lowest bit of it says which of two frames belongs to it. A frame is written before the
//! word names it and left alone until two epochs later: who reads one and then exchanges a word of its epoch has read
//! what belongs together. Only who has the lock moves on to another epoch.
//!
//! Epochs wrap. Whoever is held up between its load and its exchange for exactly so many may judge by an old frame,
//! once; what is counted stays right.

/// Declares the numbers of a frame, as they are written and as they are shared.
macro_rules! frame {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Numbers that hold for an epoch.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Numbers {
            $($(#[$doc])* pub(super) $name: u64,)*
        }

        /// [`Numbers`] for all to read.
        #[derive(Debug)]
        pub(super) struct Frame {
            $($name: $crate::shim::atomic::AtomicU64,)*
        }

        impl Frame {
            pub(super) fn new(numbers: Numbers) -> Self {
                Self { $($name: $crate::shim::atomic::AtomicU64::new(numbers.$name),)* }
            }

            /// By who has the lock, before the word names it.
            pub(super) fn write(&self, numbers: &Numbers) {
                $(self.$name.store(numbers.$name, $crate::shim::atomic::Ordering::Release);)*
            }

            $(#[inline]
            pub(super) fn $name(&self) -> u64 {
                self.$name.load($crate::shim::atomic::Ordering::Acquire)
            })*
        }
    };
}

pub(super) use frame;
