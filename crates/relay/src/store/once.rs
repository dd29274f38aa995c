//! What has its effect once, however often it is asked for.
//!
//! The answer of a success goes on record in the transaction of its effect. What it shows of a payload or a secret does not:
//! that would stay when its owner has it deleted, and be there twice until then. Such an answer is recorded by the name of
//! what it shows, and a repeat shows that anew.

use bytes::Bytes;
use linchpin::time::Timestamp;
use linchpin::{Error, Kind, Result};
use linchpin_data::idempotency::{self, Fingerprint, Found, Key, Stored};
use linchpin_data::sqlite::Tx;
use serde::Serialize;

use super::{Refusal, json};

/// A request that must have its effect once, however often it comes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Once {
    /// Who asks for what, and the key they gave.
    pub key: Key,
    /// What was in the request.
    pub fingerprint: Fingerprint,
}

/// The reply to a creation, as it was first given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Bytes,
    /// Whether this is a repeat of an earlier reply.
    pub replayed: bool,
}

/// What [`once_named`] says.
#[derive(Debug)]
pub(super) enum Given {
    /// This is the answer.
    Answer(Answer),
    /// It was given before, and showed what has this name.
    Again { status: u16, name: String },
}

/// Stands before the name of what an answer showed. No JSON begins so.
const NAMED: u8 = b'@';

/// Does `work` unless its answer is on record, and puts the answer of a success on record.
pub(super) fn once<T: Serialize>(
    tx: &mut Tx<'_>,
    once: Option<&Once>,
    now: Timestamp,
    work: impl FnOnce(&mut Tx<'_>) -> Result<(u16, T)>,
) -> Result<Answer> {
    let kept = |tx: &mut Tx<'_>| work(tx).map(|(status, reply)| (status, reply, None));
    match keep(tx, once, now, kept)? {
        Given::Answer(answer) => Ok(answer),
        Given::Again { .. } => Err(Error::new(Kind::Internal, "an answer is on record by a name")),
    }
}

/// The same, but the record has the name of what the answer shows in place of the answer. `work` says it last.
pub(super) fn once_named<T: Serialize>(
    tx: &mut Tx<'_>,
    once: Option<&Once>,
    now: Timestamp,
    work: impl FnOnce(&mut Tx<'_>) -> Result<(u16, T, String)>,
) -> Result<Given> {
    let named = |tx: &mut Tx<'_>| work(tx).map(|(status, reply, name)| (status, reply, Some(name)));
    keep(tx, once, now, named)
}

fn keep<T: Serialize>(
    tx: &mut Tx<'_>,
    once: Option<&Once>,
    now: Timestamp,
    work: impl FnOnce(&mut Tx<'_>) -> Result<(u16, T, Option<String>)>,
) -> Result<Given> {
    if let Some(Once { key, fingerprint }) = once {
        match idempotency::find(tx, key, fingerprint, now, idempotency::TTL)? {
            Found::New => {}
            Found::Replay(stored) => return given(stored),
            Found::Mismatch => return Err(Refusal::KeyReused.into()),
        }
    }
    let (status, reply, name) = work(tx)?;
    let body = Bytes::from(json(&reply)?);
    if let Some(Once { key, fingerprint }) = once {
        let kept = name.map_or_else(|| body.to_vec(), |name| [&[NAMED], name.as_bytes()].concat());
        let stored = Stored { status, body: kept };
        idempotency::store(tx, key, fingerprint, &stored, now)?;
    }
    Ok(Given::Answer(Answer { status, body, replayed: false }))
}

fn given(Stored { status, body }: Stored) -> Result<Given> {
    match body.split_first() {
        Some((&NAMED, name)) => {
            let name = String::from_utf8(name.to_vec())
                .map_err(|fault| Error::new(Kind::Internal, fault))?;
            Ok(Given::Again { status, name })
        }
        _ => Ok(Given::Answer(Answer { status, body: body.into(), replayed: true })),
    }
}
