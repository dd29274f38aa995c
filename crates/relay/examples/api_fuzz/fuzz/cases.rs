//! The requests that an operation is sent, and what each must be answered.

use serde_json::Value;

use super::document::Operation;
use super::grammar::Grammar;
use super::known::{Known, Place};
use super::mutate::{self, Wrong};
use super::request::{Request, escaped};

/// What is done to a request that is right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The token of one application.
    AppToken,
    /// A token that is none.
    BadToken,
    Body(Wrong),
    /// Ids of another organisation.
    Foreign,
    /// An idempotency key.
    Key,
    /// Not JSON, by its header.
    MediaType,
    Method,
    NoToken,
    /// Odd names in the path.
    Path,
    Query,
    /// The token of an organisation that has nothing.
    Stranger,
    /// Ids of nobody.
    Unknown,
    /// Nothing.
    Valid,
}

/// In this order, again and again.
pub(crate) const KINDS: [Kind; 26] = [
    Kind::Valid,
    Kind::Query,
    Kind::Body(Wrong::Boundary),
    Kind::Foreign,
    Kind::Body(Wrong::Type),
    Kind::Path,
    Kind::Valid,
    Kind::Body(Wrong::Missing),
    Kind::Body(Wrong::Text),
    Kind::NoToken,
    Kind::Key,
    Kind::Body(Wrong::Syntax),
    Kind::Query,
    Kind::Unknown,
    Kind::Body(Wrong::Boundary),
    Kind::Body(Wrong::Deep),
    Kind::Stranger,
    Kind::Valid,
    Kind::Method,
    Kind::Key,
    Kind::BadToken,
    Kind::Body(Wrong::Extra),
    Kind::MediaType,
    Kind::Body(Wrong::Huge),
    Kind::AppToken,
    Kind::Body(Wrong::Boundary),
];

/// A request to send.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    pub(crate) request: Request,
    /// What its path names.
    pub(crate) place: Place,
    pub(crate) wants: Wants,
}

/// What is wanted of an answer, beyond that the document lists it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wants {
    Listed,
    /// This error, listed or not.
    Error(u16),
    /// No success.
    Refusal,
    /// If it is not listed, an error that says that the path is unknown, or has other methods.
    ListedOrNoRoute,
}

/// Makes the cases of one operation.
pub(crate) struct Cases<'a> {
    pub(crate) operation: &'a Operation,
    /// Of whoever asks.
    pub(crate) token: &'a str,
    pub(crate) app_token: &'a str,
    /// What there is to ask for.
    pub(crate) known: &'a Known,
    /// What is nobody else's business.
    pub(crate) theirs: &'a Known,
    pub(crate) grammar: Grammar<'a>,
}

/// The most bytes of one name in a path or of one value in a query.
const LONGEST: usize = 2_100;
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"];
const MEDIA_TYPES: [&[u8]; 6] =
    [b"text/plain", b"application/xml", b"multipart/form-data", b"json", b"", b"application/\xff"];
const ODD: [&str; 9] = ["a b", ".", "..", "\u{0}", "a/b", "🦀", "-", "{app_id}", "%"];
const ODD_QUERIES: [&str; 8] = [
    "%zz",
    "&&==&",
    "limit=%ff",
    "iterator=%00",
    "limit[]=1",
    "limit=1&limit=2",
    "event_types[0]=%ff&event_types[]=a",
    "a=b=c;d",
];

impl Cases<'_> {
    /// A case of this kind. `last` is the last request that came with an idempotency key.
    pub(crate) fn case(
        &self,
        kind: Kind,
        last: &mut Option<Request>,
        random: &mut fastrand::Rng,
    ) -> Case {
        let place = match kind {
            Kind::Foreign => self.theirs.place(&self.operation.path_names, random),
            Kind::Unknown => Place::new(),
            _ => self.known.place(&self.operation.path_names, random),
        };
        let mut case = Case { kind, ..self.at(place, random) };
        match kind {
            Kind::Key => self.keyed(&mut case.request, last, random),
            _ => self.bend(&mut case, random),
        }
        case
    }

    /// A request in which nothing is wrong.
    pub(crate) fn at(&self, place: Place, random: &mut fastrand::Rng) -> Case {
        let operation = self.operation;
        let mut request = Request {
            method: operation.method.clone(),
            target: format!("{}{}", path(operation, &place, random), self.query(false, random)),
            headers: Vec::new(),
            body: Vec::new(),
        };
        if operation.is_secured {
            request.header("authorization", Some(bearer(self.token).as_bytes()));
        }
        if let Some(body) = self.body(random) {
            request.header("content-type", Some(b"application/json"));
            request.body = body.to_string().into_bytes();
        }
        Case { kind: Kind::Valid, request, place, wants: Wants::Listed }
    }

    fn bend(&self, case: &mut Case, random: &mut fastrand::Rng) {
        let Case { kind, request, place, wants } = case;
        let operation = self.operation;
        match *kind {
            Kind::Body(wrong) => match self.body(random) {
                Some(body) => request.body = mutate::wrong(wrong, body, random),
                // Where no body is asked for, one that comes must do no harm.
                None if matches!(wrong, Wrong::Huge | Wrong::Syntax) => {
                    request.body = mutate::wrong(wrong, Value::Null, random);
                }
                None => request.target = self.with_query(place, random),
            },
            Kind::Query => request.target = self.with_query(place, random),
            Kind::Method => {
                let others =
                    METHODS.into_iter().filter(|method| !operation.methods.contains(*method));
                random
                    .choice(others.collect::<Vec<_>>())
                    .unwrap_or("TRACE")
                    .clone_into(&mut request.method);
                *wants = Wants::Error(405);
            }
            Kind::MediaType if operation.body.is_some() => {
                request.header("content-type", random.choice(MEDIA_TYPES));
                *wants = Wants::Error(415);
            }
            Kind::MediaType => request.header("accept", Some(b"image/png")),
            Kind::NoToken | Kind::BadToken | Kind::AppToken if !operation.is_secured => {}
            Kind::NoToken => {
                request.header("authorization", None);
                *wants = Wants::Error(401);
            }
            Kind::BadToken => {
                request.header("authorization", Some(&self.bad_token(random)));
                *wants = Wants::Error(401);
            }
            Kind::AppToken => {
                request.header("authorization", Some(bearer(self.app_token).as_bytes()));
            }
            // Names, unlike ids, may be those of ours, too; and a PUT makes what is not there.
            Kind::Foreign
                if operation.method != "PUT"
                    && !place.is_empty()
                    && place.values().all(|value| is_id(value)) =>
            {
                *wants = Wants::Refusal;
            }
            Kind::Unknown if operation.method == "GET" && !operation.path_names.is_empty() => {
                // A value of the query might be refused first.
                request.target = path(operation, place, random);
                *wants = Wants::Error(404);
            }
            Kind::Valid | Kind::Key | Kind::Stranger | Kind::Foreign | Kind::Unknown => {}
            Kind::Path => {
                if let Some(name) = random.choice(operation.path_names.iter()) {
                    let odd = if random.u8(..4) == 0 {
                        short(random)
                    } else {
                        random.choice(ODD).unwrap_or_default().to_owned()
                    };
                    let odd = if odd.is_empty() { "x".repeat(5_000) } else { odd };
                    place.insert(name.clone(), odd);
                }
                request.target = path(operation, place, random);
                if random.u8(..4) == 0 {
                    request.target.push_str("%ff");
                }
                *wants = Wants::ListedOrNoRoute;
            }
        }
    }

    fn body(&self, random: &mut fastrand::Rng) -> Option<Value> {
        self.operation.body.as_ref().map(|schema| self.grammar.value(schema, "", random))
    }

    /// What is required of the query, and some of the rest; or more than is right.
    fn query(&self, odd: bool, random: &mut fastrand::Rng) -> String {
        let mut query = String::new();
        for parameter in &self.operation.query {
            let often = if odd { 2 } else { 5 };
            if !parameter.is_required && random.u8(..often) != 0 {
                continue;
            }
            let value = match self.grammar.value(&parameter.schema, &parameter.name, random) {
                _ if odd && random.bool() => short(random),
                Value::String(text) => text,
                Value::Null => continue,
                other => other.to_string(),
            };
            let separator = if query.is_empty() { "?" } else { "&" };
            query.extend([separator, &parameter.name, "=", &escaped(&value)]);
        }
        query
    }

    fn with_query(&self, place: &Place, random: &mut fastrand::Rng) -> String {
        let query = match random.u8(..4) {
            0 => format!("?{}", random.choice(ODD_QUERIES).unwrap_or_default()),
            _ => self.query(true, random),
        };
        format!("{}{query}", path(self.operation, place, random))
    }

    /// With a key; now and then the very request that came with one before.
    fn keyed(&self, request: &mut Request, last: &mut Option<Request>, random: &mut fastrand::Rng) {
        if let Some(last) = last
            && random.bool()
        {
            request.clone_from(last);
            return;
        }
        let key = match random.u8(..6) {
            0 => vec![b'k'; 256],
            1 => vec![b'k'; 257],
            2 => Vec::new(),
            3 => b"\xff\xfe".to_vec(),
            _ => format!("{}-{}", self.operation.id, random.u8(..2)).into_bytes(),
        };
        request.header("idempotency-key", Some(&key));
        *last = Some(request.clone());
    }

    fn bad_token(&self, random: &mut fastrand::Rng) -> Vec<u8> {
        let ours = self.token;
        let (claims, _) = ours.rsplit_once('.').unwrap_or((ours, ""));
        // `{"alg":"none"}`
        let unsigned =
            claims.split_once('.').map(|(_, claims)| format!("eyJhbGciOiJub25lIn0.{claims}."));
        let ways = [
            b"Bearer ".to_vec(),
            b"Bearer".to_vec(),
            b"Bearer \xff\xff".to_vec(),
            bearer("x.y.z").into_bytes(),
            bearer(&"a".repeat(8_000)).into_bytes(),
            bearer(&ours[..ours.len() - 3]).into_bytes(),
            bearer(claims).into_bytes(),
            bearer(&unsigned.unwrap_or_default()).into_bytes(),
            format!("Basic {ours}").into_bytes(),
            ours.as_bytes().to_vec(),
        ];
        random.choice(ways).unwrap_or_default()
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The path with these values, and made-up ones for what is not among them.
fn path(operation: &Operation, place: &Place, random: &mut fastrand::Rng) -> String {
    operation.path_names.iter().fold(operation.path.clone(), |path, name| {
        let made_up = || format!("nobody-{:08x}", random.u32(..));
        let value = place.get(name).map_or_else(made_up, |value| escaped(value));
        path.replacen(&format!("{{{name}}}"), &value, 1)
    })
}

/// An odd text that fits into the head of a request: beyond it the server answers, and no operation.
fn short(random: &mut fastrand::Rng) -> String {
    let mut text = mutate::text(random);
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

/// Whether it was made by the service, and so is nobody else's: a prefix and 27 characters.
fn is_id(value: &str) -> bool {
    value.rsplit_once('_').is_some_and(|(_, rest)| rest.len() == 27)
}
