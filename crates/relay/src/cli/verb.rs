//! What a command of the client is: a route, what goes into it, and how the answer is shown.
//!
//! The tables in [`nouns`](super::nouns) are made of these; flags, help, requests and the list of routes follow from them.

use http::Method;

/// What commands are about: an application, a message.
#[derive(Debug)]
pub(super) struct Noun {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) verbs: &'static [Verb],
}

/// One call.
#[derive(Debug)]
pub(super) struct Verb {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) method: Method,
    /// As the router has it; each place in braces is an argument.
    pub(super) path: &'static str,
    pub(super) inputs: &'static [Input],
    pub(super) shape: Shape,
    /// Whether the operators' listener is asked.
    pub(super) admin: bool,
    /// Whether a person is asked first, since nothing brings it back.
    pub(super) asks: bool,
}

/// How the answer is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// One object, or nothing.
    One,
    /// A page of these columns, or all of them.
    Pages(&'static [Column]),
    /// All there is, in one answer.
    Whole(&'static [Column]),
    /// A message that was sent; `--wait` until it has arrived or failed for good.
    Sent,
    /// A background task; `--wait` until it has ended.
    Task,
    /// Like [`Shape::Task`], and always waited for.
    Awaited,
    /// Events, for as long as they come.
    Events,
}

/// A column of a table: its heading, and where in an item it is found.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// A JSON pointer.
    pub(super) path: &'static str,
    /// Whether it is a moment, which is shown to the second.
    pub(super) is_moment: bool,
}

/// What a user may or must give besides the path.
#[derive(Debug)]
pub(super) struct Input {
    /// The flag without its hyphens; in capitals if it is an argument.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) to: To,
    pub(super) kind: Kind,
}

/// Where it goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// A parameter of the query.
    Query(&'static str),
    /// A member of the body.
    Body(&'static str),
}

/// What it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A list of texts, separated by commas.
    Texts,
    /// Any JSON, such as an object.
    Json,
    /// A number, or `null` for none.
    Number,
    /// `true` or `false`.
    Bool,
    /// JSON in a file that is named, `-` for the standard input.
    File,
    /// The same with any text in it.
    TextFile,
    /// `true` if the flag is there.
    Switch,
    /// Always this JSON; there is no flag.
    Always(&'static str),
}

// ===== impl Verb =====

impl Verb {
    pub(super) const fn new(
        name: &'static str,
        method: Method,
        path: &'static str,
        about: &'static str,
    ) -> Self {
        let asks = false;
        Self { name, about, method, path, inputs: &[], shape: Shape::One, admin: false, asks }
    }

    pub(super) const fn with(mut self, inputs: &'static [Input]) -> Self {
        self.inputs = inputs;
        self
    }

    pub(super) const fn shown(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    pub(super) const fn admin(mut self) -> Self {
        self.admin = true;
        self
    }

    /// Asks first, as each deletion does.
    pub(super) const fn for_good(mut self) -> Self {
        self.asks = true;
        self
    }

    /// Whether a person is asked first.
    pub(super) fn asks(&self) -> bool {
        self.asks || self.method == Method::DELETE
    }

    /// The places of the path, in order: `app_id`.
    pub(super) fn places(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
    }

    /// Whether anything a user gives goes into a body.
    pub(super) fn has_body(&self) -> bool {
        self.inputs.iter().any(|input| matches!(input.to, To::Body(_)))
    }

    /// Whether a user can ask to wait for the end of what was begun.
    pub(super) fn can_wait(&self) -> bool {
        matches!(self.shape, Shape::Sent | Shape::Task)
    }
}

// ===== impl Input =====

impl Input {
    pub(super) const fn new(name: &'static str, kind: Kind, to: To, help: &'static str) -> Self {
        Self { name, help, to, kind }
    }

    /// A text member of the body.
    pub(super) const fn text(name: &'static str, member: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Text, To::Body(member), help)
    }

    /// A member of the body that is no text.
    pub(super) const fn json(name: &'static str, member: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Json, To::Body(member), help)
    }

    /// A number in the body.
    pub(super) const fn number(
        name: &'static str,
        member: &'static str,
        help: &'static str,
    ) -> Self {
        Self::new(name, Kind::Number, To::Body(member), help)
    }

    /// `true` or `false` in the body.
    pub(super) const fn bool(name: &'static str, member: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Bool, To::Body(member), help)
    }

    /// A parameter of the query.
    pub(super) const fn query(name: &'static str, key: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Text, To::Query(key), help)
    }

    /// Whether it is an argument, which must be given.
    pub(super) fn is_argument(&self) -> bool {
        self.name.starts_with(|first: char| first.is_ascii_uppercase())
    }
}

// ===== impl Column =====

impl Column {
    pub(super) const fn new(title: &'static str, path: &'static str) -> Self {
        Self { title, path, is_moment: false }
    }

    /// A moment.
    pub(super) const fn moment(title: &'static str, path: &'static str) -> Self {
        Self { title, path, is_moment: true }
    }
}
