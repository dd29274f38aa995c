//! A bus: messages of one type, by topic, to all who subscribe, each at its own pace.
//!
//! ```
//! # use linchpin::{Context, sync::bus::{Bus, Policy, Subscription}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> linchpin::Result<()> {
//! # let ctx = Context::root();
//! let bus = Bus::new();
//! let mut audit = bus.subscribe("orders.*", Subscription::default().policy(Policy::Wait))?;
//! let orders = bus.topic("orders.eu")?;
//! orders.publish(&ctx, "order 17").await?;
//! let message = audit.recv(&ctx).await?;
//! assert_eq!((message.topic(), *message), ("orders.eu", "order 17"));
//! # Ok(())
//! # }
//! ```
//!
//! | you have | use |
//! |---|---|
//! | several who each see every message | a bus |
//! | several who share the messages among them | [`channel::bounded`](super::channel::bounded), [`FanOut`](crate::task::fan::FanOut) |
//! | one stream that ends, for readers that are known | [`FanOut::broadcast`](crate::task::fan::FanOut::broadcast) |
//! | a value of which the latest counts | [`Watched`](super::watched::Watched) |
//! | one topic, values that are copied, slow readers that lose the oldest | tokio's `broadcast` does as well |
//! | messages that survive the process | an outbox, a broker |

mod error;
mod feed;
mod log;
mod message;
mod names;
mod numbers;
mod options;
mod pattern;
mod recv;
mod row;
mod segment;
mod state;
mod subscriber;
mod topic;

use std::fmt;
use std::sync::Arc;

pub use self::error::{RecvError, TryRecvError};
pub use self::message::{Batch, Message};
use self::names::{Core, Open};
pub use self::numbers::{Listed, Numbers};
pub use self::options::{Options, Policy, Subscription};
pub use self::subscriber::Subscriber;
pub use self::topic::Topic;
use crate::resilience::BadOptions;

/// A bus for messages of type `T`. Clones share its topics.
///
/// Topics have names of words with dots between them, `orders.eu`, and are there as long as somebody publishes or
/// subscribes to them. A pattern stands for several: `*` for one word, `**` at the end for any number, none too.
///
/// Each subscriber has a buffer of its own, and a [policy](Policy) for when it is full, so a slow one costs the others
/// nothing, unless it says that it must be [waited](Policy::Wait) for. Subscribers of a topic see its messages in one
/// order, and so do those of a pattern, of all its topics. There is no acknowledgement: what a subscriber has received
/// is its own. Nothing is kept for whoever is not there, but the last messages of each topic, if
/// [asked for](Options::replay).
///
/// When the last `Bus` and [`Topic`] is dropped, subscribers read what is there, and then that it is closed.
///
/// A message lives until all who are to see it have, and then some: as many as stand together (up to 64) go together.
pub struct Bus<T>(Arc<Open<T>>);

impl<T> Bus<T> {
    /// A bus with the default [`Options`]: it keeps nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// A bus of these options.
    #[must_use]
    pub fn with(options: Options) -> Self {
        Self(Arc::new(Open(Arc::new(Core::new(options)))))
    }

    /// The topic of this name, to publish to. Find it once and keep it: it is looked up under a lock.
    ///
    /// # Errors
    ///
    /// For a name with an empty word, and for a pattern.
    pub fn topic(&self, name: &str) -> Result<Topic<T>, BadOptions> {
        pattern::check(name, false)?;
        Ok(Topic::new(self.0.clone(), self.0.0.lease(name)))
    }

    /// One more who receives what is published to `name`, a topic or a pattern, from now on, and the last of what is
    /// [kept](Subscription::replay) before.
    ///
    /// # Errors
    ///
    /// For a name with an empty word, for a pattern that has a star inside of a word or `**` before the end, and for a
    /// buffer without room.
    #[expect(clippy::needless_pass_by_value, reason = "options are given away, as everywhere")]
    pub fn subscribe(
        &self,
        name: &str,
        subscription: Subscription,
    ) -> Result<Subscriber<T>, BadOptions> {
        pattern::check(name, true)?;
        if subscription.buffer == 0 {
            let why = format!("`{}` has a buffer of no message at all", subscription.name);
            return Err(BadOptions::new("Subscription", why));
        }
        Ok(Subscriber::new(self.0.0.lease(name), &subscription))
    }

    /// Lets nothing more in. What is there can still be received.
    pub fn close(&self) {
        self.0.0.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.0.is_closed()
    }

    /// All topics and then all patterns that are in use, with their subscribers: who is behind, and who loses what.
    #[must_use]
    pub fn topics(&self) -> Vec<Listed> {
        self.0.0.listed()
    }
}

impl<T> Default for Bus<T> {
    /// [`Bus::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Bus<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Bus<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus")
            .field("name", &self.0.0.name())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
