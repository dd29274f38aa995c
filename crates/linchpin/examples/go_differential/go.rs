//! The other side: a process that plays scripts on Go's own packages, one line in, one line out.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::drive::Failure;

/// The oracle, which ends with us: it reads until its input does.
#[derive(Debug)]
pub(crate) struct Go {
    process: Child,
    scripts: Option<ChildStdin>,
    views: BufReader<ChildStdout>,
}

impl Go {
    /// Starts the test binary built from `tests/differential`.
    pub(crate) fn start(binary: &Path) -> Result<Self, Failure> {
        let mut process = Command::new(binary)
            .args(["-test.run=^TestOracle$", "-test.timeout=0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let scripts = process.stdin.take();
        let views = process.stdout.take().ok_or("no output of the oracle")?;
        Ok(Self { process, scripts, views: BufReader::new(views) })
    }

    /// What Go's world looks like after each step of `script`.
    pub(crate) fn play<V: DeserializeOwned>(
        &mut self,
        script: &impl Serialize,
    ) -> Result<Vec<V>, Failure> {
        let mut line = serde_json::to_string(script)?;
        line.push('\n');
        self.scripts.as_mut().ok_or("the oracle was stopped")?.write_all(line.as_bytes())?;
        let mut answer = String::new();
        self.views.read_line(&mut answer)?;
        serde_json::from_str(&answer)
            .map_err(|error| format!("the oracle said `{}`: {error}", answer.trim()).into())
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        self.scripts = None;
        // It ends at the end of its input; its verdict on itself is of no interest here.
        drop(self.process.wait());
    }
}
