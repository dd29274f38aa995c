//! What may be sent between threads and shared by them: this file compiles, or it is not so.

use linchpin_data::id::{Id, Tag};
use linchpin_data::idempotency::{Fingerprint, Found, Key, Stored};
use linchpin_data::migrate::{Migration, Migrations};
use linchpin_data::sqlite::{
    CommitUnknown, Database, Fault, Options, Reader, Stats, Trouble, Writer,
};

const fn shared<T: Send + Sync>() {}

/// An id is a value whatever its tag is.
struct Unshared(#[expect(dead_code, reason = "it makes the tag what it is")] std::rc::Rc<()>);

impl Tag for Unshared {
    const PREFIX: &'static str = "unshared_";
}

const _: () = {
    shared::<(Fingerprint, Found, Key, Stored)>();
    shared::<(Migration, Migrations)>();
    shared::<(Database, Options, Reader, Stats, Writer)>();
    shared::<(CommitUnknown, Fault, Trouble)>();
    shared::<Id<Unshared>>();
};
