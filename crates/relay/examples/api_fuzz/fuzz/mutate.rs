//! Bodies that are wrong in one way.

use serde_json::{Value, json};

/// One way to be wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wrong {
    /// A value at the edge of what is allowed, or just beyond it.
    Boundary,
    /// A number for a text, and the like.
    Type,
    /// A member is not there.
    Missing,
    /// A member that nobody knows, or one that is there twice.
    Extra,
    /// Nested as deep as parsers bear, and deeper.
    Deep,
    /// As large as a body may be, and larger.
    Huge,
    /// Text that is none: bad UTF-8, half a pair of surrogates, NULs.
    Text,
    /// No JSON, or more than one.
    Syntax,
}

/// Stands for what is put in its place as text, which need not be JSON.
const HOLE: &str = "@@hole@@";
/// The largest body that is read.
const LARGEST: usize = 1 << 20;

const TEXTS: [&str; 34] = [
    "",
    " ",
    "-",
    ".",
    "..",
    "/",
    "%00",
    "\\u0000",
    "null",
    "true",
    "\\n",
    "\\r\\nx-y: z",
    "\u{202e}\u{feff}",
    "🦀",
    "app_",
    "ep_1",
    "msg_1srOrx2ZWZBpBUvZwXKQmoEYga2",
    "org_23rb8YdGqMT0qIzpgGwdXfHirMu",
    "-msg_",
    "whsec_",
    "v1,",
    "*",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "-9999-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "2026-11-28T23:59:60Z",
    "http://",
    "http://[::1]:99999/",
    "http://user:pw@127.0.0.1/",
    "file:///etc/passwd",
    "http://127.0.0.1:0/",
    "https://xn--/",
];
const LENGTHS: [usize; 9] = [63, 64, 65, 255, 256, 257, 2048, 2049, 65_536];
const NUMBERS: [&str; 21] = [
    "0",
    "-0",
    "-1",
    "1",
    "4",
    "5",
    "250",
    "251",
    "255",
    "256",
    "65535",
    "65536",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "1.5",
    "1e308",
    "1e999",
    "-1E400",
];
const OTHERS: [&str; 9] =
    ["null", "true", "false", "[]", "{}", "[null]", "[[]]", r#"{"":null}"#, r#"[""]"#];
const BAD_TEXTS: [&[u8]; 11] = [
    b"\"\xff\xfe\"",
    b"\"\xc0\xaf\"",
    b"\"\xed\xa0\x80\"",
    b"\"\\ud800\"",
    b"\"\\udc00\\ud800\"",
    b"\"a\x00b\"",
    b"\"\\u0000\"",
    b"\"\x1f\"",
    b"\"\\x41\"",
    b"{\"\\ud800\":1}",
    b"{\"\xff\":1}",
];
const DEPTHS: [usize; 10] = [64, 122, 123, 124, 125, 127, 128, 129, 1_000, 100_000];

/// The body, wrong.
pub(crate) fn wrong(wrong: Wrong, mut body: Value, random: &mut fastrand::Rng) -> Vec<u8> {
    let place = random.choice(places(&body)).unwrap_or_default();
    let there = body.pointer(&place).cloned().unwrap_or_default();
    let put = match wrong {
        Wrong::Boundary => boundary(&there, random).into_bytes(),
        Wrong::Type => another_type(&there, random).into_bytes(),
        Wrong::Missing => return without(body, &place).to_string().into_bytes(),
        Wrong::Extra => return with_more(body, random),
        Wrong::Deep => deep(random).into_bytes(),
        Wrong::Huge => huge(body.to_string().len(), random).into_bytes(),
        Wrong::Text => random.choice(BAD_TEXTS).unwrap_or_default().to_vec(),
        Wrong::Syntax => return no_json(&body.to_string(), random),
    };
    match body.pointer_mut(&place) {
        Some(value) => *value = json!(HOLE),
        None => body = json!(HOLE),
    }
    filled(&body.to_string(), &put)
}

/// A text at the edge of what is allowed, not quoted.
pub(crate) fn text(random: &mut fastrand::Rng) -> String {
    match random.u8(..4) {
        0 => "a".repeat(random.choice(LENGTHS).unwrap_or_default()),
        1 => random.choice(NUMBERS).unwrap_or_default().to_owned(),
        _ => random.choice(TEXTS).unwrap_or_default().to_owned(),
    }
}

/// The places of all values below the root, as pointers.
fn places(body: &Value) -> Vec<String> {
    let members: Vec<(String, &Value)> = match body {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(n, value)| (n.to_string(), value)).collect()
        }
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    for (name, value) in members {
        let name = name.replace('~', "~0").replace('/', "~1");
        found.extend(places(value).into_iter().map(|below| format!("/{name}{below}")));
        found.push(format!("/{name}"));
    }
    found
}

fn filled(text: &str, put: &[u8]) -> Vec<u8> {
    let hole = format!("\"{HOLE}\"");
    let (before, after) = text.split_once(&hole).unwrap_or((text, ""));
    [before.as_bytes(), put, after.as_bytes()].concat()
}

fn boundary(there: &Value, random: &mut fastrand::Rng) -> String {
    match there {
        Value::String(_) => format!("\"{}\"", text(random)),
        Value::Number(_) => random.choice(NUMBERS).unwrap_or_default().to_owned(),
        Value::Array(_) if random.bool() => format!("[{}1]", "1,".repeat(1_000)),
        _ => random.choice(OTHERS).unwrap_or_default().to_owned(),
    }
}

fn another_type(there: &Value, random: &mut fastrand::Rng) -> String {
    match there {
        Value::String(_) if random.bool() => random.choice(NUMBERS).unwrap_or_default().to_owned(),
        Value::String(_) => random.choice(OTHERS).unwrap_or_default().to_owned(),
        _ => format!("\"{}\"", text(random)),
    }
}

fn without(mut body: Value, place: &str) -> Value {
    if let Some((above, name)) = place.rsplit_once('/')
        && let Some(members) = body.pointer_mut(above).and_then(Value::as_object_mut)
    {
        members.remove(name);
    }
    body
}

fn with_more(mut body: Value, random: &mut fastrand::Rng) -> Vec<u8> {
    let Some(members) = body.as_object_mut() else { return b"{\"fuzz\":1}".to_vec() };
    let twice = random.choice(members.keys().cloned().collect::<Vec<_>>());
    let value = random.choice([json!(1), json!("x"), json!({ "a": [{}] }), json!(null)]);
    members.insert(HOLE.to_owned(), value.unwrap_or_default());
    let name = match twice {
        Some(name) if random.bool() => format!("\"{name}\""),
        _ => format!("\"fuzz-{}\"", random.u16(..)),
    };
    filled(&body.to_string(), name.as_bytes())
}

fn deep(random: &mut fastrand::Rng) -> String {
    let depth = random.choice(DEPTHS).unwrap_or_default();
    let (open, close) = if random.bool() { ("[", "]") } else { (r#"{"a":"#, "}") };
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

fn huge(rest: usize, random: &mut fastrand::Rng) -> String {
    let just = LARGEST.saturating_sub(rest);
    match random.u8(..7) {
        0 => format!("\"{}\"", "a".repeat(100_000)),
        1 => format!("\"{}\"", "a".repeat(just)),
        2 => format!("\"{}\"", "a".repeat(just + 100)),
        3 => format!("\"{}\"", "\\u0000".repeat(100_000)),
        4 => format!("[{}1]", "1,".repeat(100_000)),
        5 => {
            let members =
                (0..20_000).map(|n| format!("\"k{n}\":\"\",")).collect::<Vec<_>>().concat();
            format!("{{{members}\"k\":\"\"}}")
        }
        _ => "9".repeat(10_000),
    }
}

fn no_json(body: &str, random: &mut fastrand::Rng) -> Vec<u8> {
    let cut = &body.as_bytes()[..random.usize(..body.len().max(1))];
    let bytes: Vec<u8> = (0..random.usize(1..64)).map(|_| random.u8(..)).collect();
    let ways: [&[u8]; 13] = [
        b"",
        b"null",
        b"[]",
        b"7",
        b"\"\"",
        b"NaN",
        b"{",
        b"name=a&url=b",
        cut,
        cut,
        &bytes,
        &[b"\xef\xbb\xbf", body.as_bytes()].concat(),
        &[body.as_bytes(), body.as_bytes()].concat(),
    ];
    random.choice(ways).unwrap_or_default().to_vec()
}
