//! Where a request stands in a distributed trace.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A W3C trace context: the `traceparent` of the caller's span and, where there is one, its `tracestate`.
///
/// Carried as text and passed on as it came; who records spans of its own puts their `traceparent` into the context
/// that it hands on. Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Trace {
    parent: Arc<str>,
    state: Option<Arc<str>>,
}

/// The text is not a `traceparent`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BadTrace {
    why: &'static str,
}

/// The longest `tracestate` that is passed on, in bytes; the standard asks for at least 512.
const LONGEST_STATE: usize = 512;
/// The lengths of version, trace id, span id and flags, in hexadecimal digits.
const FIELDS: [usize; 4] = [2, 32, 16, 2];

impl Trace {
    /// The `traceparent`: `00-` trace id `-` span id `-` flags.
    #[must_use]
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The trace id, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.parent[3..35]
    }

    /// Whether the caller records the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(&self.parent[53..55], 16).is_ok_and(|flags| flags & 1 == 1)
    }

    /// The `tracestate`, if one came.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// This trace with a `tracestate`; an empty one, and one of over 512 bytes, is left out.
    #[must_use]
    pub fn with_state(mut self, state: &str) -> Self {
        self.state = (1..=LONGEST_STATE).contains(&state.len()).then(|| state.into());
        self
    }
}

impl FromStr for Trace {
    type Err = BadTrace;

    /// Reads a `traceparent` of any version; of a later one, the part that is known.
    fn from_str(text: &str) -> Result<Self, BadTrace> {
        let bad = |why| Err(BadTrace { why });
        let fields: Vec<&str> = text.split('-').collect();
        let [version, trace, span, flags, rest @ ..] = fields.as_slice() else {
            return bad("it has four fields, joined by hyphens");
        };
        let known = [version, trace, span, flags];
        let hexadecimal = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if known.iter().zip(FIELDS).any(|(field, length)| field.len() != length) {
            return bad("its fields have 2, 32, 16 and 2 digits");
        }
        if !known.iter().all(|field| hexadecimal(field)) {
            return bad("its digits are hexadecimal, in lower case");
        }
        if *version == "ff" || (*version == "00" && !rest.is_empty()) {
            return bad("it is not of a known version");
        }
        if [trace, span].iter().any(|id| id.bytes().all(|digit| digit == b'0')) {
            return bad("an id of zeros alone means none");
        }
        Ok(Self { parent: format!("00-{trace}-{span}-{flags}").into(), state: None })
    }
}

impl fmt::Display for BadTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a traceparent: {}", self.why)
    }
}

impl std::error::Error for BadTrace {}
