//! Calls of a Relay: where it is, who asks, and what to do when it does not answer.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use linchpin::context::Context;
use linchpin::{Error, Kind};
use linchpin_http::client::{AddressPolicy, Client, ClientOptions, Exchange, Limits, SendError};
use serde_json::Value;
use url::Url;

/// A Relay, and one who asks it.
pub(super) struct Api {
    client: Client,
    base: Url,
    /// Empty for operators, who need none.
    token: String,
    limits: Limits,
}

/// What is asked.
pub(super) struct Call {
    pub(super) method: Method,
    /// The segments below the base, as they are; they are encoded here.
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<Bytes>,
    /// What a creation is known by, unless it gets a key of its own.
    pub(super) key: Option<String>,
}

/// Why a command came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Relay has answered that it will not: the status, and a line for each thing that is wrong.
    Refused(StatusCode, Vec<String>),
    /// Nobody reads the output any more.
    Closed,
    /// Anything else.
    Error(Error),
}

/// The most of an answer that is read, in bytes: a page of 250 messages of 256 KiB.
const ANSWER: usize = 64 << 20;
/// How often something is asked when there is no answer, or one of a server that cannot.
const TRIES: u32 = 3;
/// Before the second try; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(300);
/// The exit code for what is not there.
const NOT_FOUND: u8 = 4;

// ===== impl Call =====

impl Call {
    /// Asks for what is at the path of these segments.
    pub(super) fn get<S: Into<String>>(segments: impl IntoIterator<Item = S>) -> Self {
        Self::new(Method::GET, segments)
    }

    /// The same with any method.
    pub(super) fn new<S: Into<String>>(
        method: Method,
        segments: impl IntoIterator<Item = S>,
    ) -> Self {
        let segments = segments.into_iter().map(Into::into).collect();
        Self { method, segments, query: Vec::new(), body: None, key: None }
    }
}

// ===== impl Api =====

impl Api {
    /// One who asks at `base`, with `token` unless that is empty.
    ///
    /// # Errors
    ///
    /// If `base` is no URL of HTTP.
    pub(super) fn new(base: &str, token: String) -> linchpin::Result<Self> {
        let wrong = |why: String| {
            Error::new(Kind::InvalidArgument, why).context(format!("`{base}` is no URL of a Relay"))
        };
        let other = || wrong("it does not begin with http:// or https://".to_owned());
        let parsed = Url::parse(base).map_err(|fault| match fault {
            url::ParseError::RelativeUrlWithoutBase => other(),
            fault => wrong(fault.to_string()),
        })?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(other());
        }
        // Who names a host knows where it is: no address is refused.
        let everywhere = ["0.0.0.0/0", "::/0"].map(|net| net.parse().expect("a subnet"));
        let addresses = everywhere.into_iter().fold(AddressPolicy::public(), AddressPolicy::allow);
        let client = Client::new(ClientOptions::default().addresses(addresses.allow_loopback()))?;
        Ok(Self { client, base: parsed, token, limits: Limits::default().keep(ANSWER) })
    }

    /// Waits so long for each answer.
    pub(super) fn patient(mut self, longest: Duration) -> Self {
        self.limits = self.limits.timeout(longest);
        self
    }

    /// The URL of `call`.
    pub(super) fn url(&self, call: &Call) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&call.segments);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }

    /// Asks, and once or twice more if nobody answers or a server fails. A creation has one key for all its tries, so
    /// that it happens once; a deletion is tried once, since a second one would find nothing.
    ///
    /// # Errors
    ///
    /// What was answered, if that is no success; or that nobody has answered.
    pub(super) async fn ask(&self, ctx: &Context, call: &Call) -> Result<Bytes, Failure> {
        let tries = if call.method == Method::DELETE { 1 } else { TRIES };
        let request = self.request(call)?;
        let mut tried = 1;
        loop {
            let answer = self.client.send(ctx, request.clone(), &self.limits).await;
            let again = match &answer {
                Ok(exchange) => exchange.status.is_server_error(),
                Err(SendError::Ended(_)) => false,
                Err(_) => true,
            };
            if !again || tried == tries {
                return taken(answer, &self.base, &request);
            }
            ctx.sleep(PAUSE * tried).await.map_err(Error::from)?;
            tried += 1;
        }
    }

    fn request(&self, call: &Call) -> linchpin::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(self.url(call).as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("relay/", env!("CARGO_PKG_VERSION")));
        if !self.token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        }
        if call.method == Method::POST {
            let own = || format!("relay-{:032x}", fastrand::u128(..));
            let key = call.key.clone().unwrap_or_else(own);
            request = request.header("idempotency-key", key);
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(call.body.clone().unwrap_or_default()))
            // Not the fault itself: it could quote the token.
            .map_err(|_| {
                Error::new(
                    Kind::InvalidArgument,
                    "the token, the key or the URL has a character that no header may have",
                )
            })
    }
}

fn taken(
    answer: Result<Exchange, SendError>,
    base: &Url,
    request: &Request<Full<Bytes>>,
) -> Result<Bytes, Failure> {
    let exchange = answer.map_err(|error| {
        let why = format!("no answer from {base}; does a Relay listen there?");
        Error::new(Kind::Unavailable, error).context(why)
    })?;
    if !exchange.status.is_success() {
        let mut lines = lines(exchange.status, &exchange.body);
        if exchange.status == StatusCode::NOT_FOUND {
            // Which of the names in it, Relay does not say: a caller may not be allowed to know.
            lines.push(format!("asked: {} {}", request.method(), request.uri()));
        }
        return Err(Failure::Refused(exchange.status, lines));
    }
    if exchange.truncated {
        let why = format!("the answer is longer than {ANSWER} bytes; ask for less with --limit");
        return Err(Error::new(Kind::ResourceExhausted, why).into());
    }
    Ok(exchange.body)
}

/// What was refused, a line each: `422 body.url: ..`.
fn lines(status: StatusCode, body: &[u8]) -> Vec<String> {
    let number = status.as_u16();
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match &told["detail"] {
        Value::Array(faults) => faults
            .iter()
            .map(|fault| {
                let place: Vec<_> =
                    fault["loc"].as_array().into_iter().flatten().map(text).collect();
                format!("{number} {}: {}", place.join("."), text(&fault["msg"]))
            })
            .collect(),
        Value::String(detail) => vec![format!("{number} {}: {detail}", text(&told["code"]))],
        _ => vec![format!("{number} {}", String::from_utf8_lossy(body).trim())],
    }
}

// ===== impl Failure =====

impl Failure {
    /// Tells a person, and says how to exit: 2 for wrong usage, 4 for what is not there.
    pub(super) fn tell(&self) -> ExitCode {
        match self {
            Self::Closed => ExitCode::SUCCESS,
            Self::Error(error) => super::tell(error),
            Self::Refused(status, lines) => {
                for line in lines {
                    eprintln!("relay: {line}");
                }
                match *status {
                    StatusCode::UNAUTHORIZED => {
                        eprintln!(
                            "relay: give a good one in RELAY_TOKEN or --token; `relay token` makes one, where that Relay is"
                        );
                        ExitCode::FAILURE
                    }
                    StatusCode::NOT_FOUND => ExitCode::from(NOT_FOUND),
                    _ => ExitCode::FAILURE,
                }
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(_, lines) => f.write_str(&lines.join("; ")),
            Self::Closed => f.write_str("nobody reads the output any more"),
            Self::Error(error) => write!(f, "{}", error.report()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}
