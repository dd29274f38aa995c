//! A request, as bytes and as a line that repeats it.

use std::path::PathBuf;

/// What is sent. Nothing in it is checked: it is meant to be wrong.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, escaped.
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// A body up to this size stands in the line itself.
const SHORT: usize = 4 << 10;

impl Request {
    /// Sets a header, or takes it away.
    pub(crate) fn header(&mut self, name: &'static str, value: Option<&[u8]>) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.extend(value.map(|value| (name, value.to_vec())));
    }

    /// It on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: relay\r\n", self.method, self.target);
        if !self.body.is_empty() || matches!(&*self.method, "POST" | "PUT" | "PATCH") {
            bytes.extend(["content-length: ", &self.body.len().to_string(), "\r\n"]);
        }
        let mut bytes = bytes.into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// A line for a shell that sends it again. A long body goes to a file, which the line names.
    pub(crate) fn curl(&self, base: &str) -> String {
        let mut line = format!("curl -si --path-as-is --globoff -X {}", self.method);
        for (name, value) in &self.headers {
            let header = [name.as_bytes(), b": ", value].concat();
            line.extend([" -H ", &quoted(&header)]);
        }
        if !self.body.is_empty() {
            // Or curl gives one.
            if self.headers.iter().all(|(name, _)| *name != "content-type") {
                line.push_str(" -H content-type:");
            }
            let fits = self.body.len() <= SHORT && !self.body.contains(&0) && self.body[0] != b'@';
            let kept = || self.kept().unwrap_or_else(|fault| format!("<no file for it: {fault}>"));
            let body = if fits { quoted(&self.body) } else { kept() };
            line.extend([" --data-binary ", &body]);
        }
        line.extend([" ", &quoted(format!("{base}{}", self.target).as_bytes())]);
        line
    }

    fn kept(&self) -> std::io::Result<String> {
        let name = format!("api-fuzz-{:016x}.body", fastrand::u64(..));
        let path: PathBuf = std::env::temp_dir().join(name);
        std::fs::write(&path, &self.body)?;
        Ok(format!("@{}", path.display()))
    }
}

/// A word as bash takes it, whatever is in it.
fn quoted(bytes: &[u8]) -> String {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'\\');
    if bytes.iter().all(plain) {
        return format!("'{}'", String::from_utf8_lossy(bytes));
    }
    let mut word = String::from("$'");
    for byte in bytes {
        match byte {
            byte if plain(byte) => word.push(char::from(*byte)),
            byte => word.extend([format!("\\x{byte:02x}")]),
        }
    }
    word.push('\'');
    word
}

/// One part of a path or a query, escaped. What is escaped already is escaped once more.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.extend([format!("%{byte:02X}")]);
        }
    }
    escaped
}
