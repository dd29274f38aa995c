//! Go as a peer: a program that is built once a run, where Go is installed, and asked for each sample.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::Operation;
use crate::row::Role::Peer;

/// A program whose last argument is how many operations to do, and which prints how many nanoseconds they took. Where there
/// is no Go that builds it, it is no peer of anybody.
#[derive(Clone, Debug)]
pub struct Program(Option<Rc<Built>>);

#[derive(Debug)]
struct Built {
    program: PathBuf,
    _folder: TempDir,
}

impl Program {
    /// Builds it.
    #[must_use]
    pub fn build(source: &str) -> Self {
        Self(Built::by(source, &mut Command::new("go")).map(Rc::new))
    }

    /// The same with the sources that a distribution of Linux installs below `path`, as in a GOPATH.
    #[must_use]
    pub fn build_with(source: &str, path: &Path) -> Self {
        let mut go = Command::new("go");
        go.env("GO111MODULE", "off").env("GOPATH", path);
        Self(Built::by(source, &mut go).map(Rc::new))
    }

    /// Adds it to `operation` as `subject`: a run of it for each sample, with `arguments` before the number of operations.
    ///
    /// # Panics
    ///
    /// When a sample is taken, if the program fails.
    pub fn beside(
        &self,
        operation: Operation,
        subject: &'static str,
        arguments: &[&dyn Display],
    ) -> Operation {
        let Some(built) = self.0.clone() else { return operation };
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        operation.timed(Peer, subject, move |operations| built.run(&arguments, operations))
    }
}

impl Built {
    fn by(source: &str, go: &mut Command) -> Option<Self> {
        let folder = TempDir::new().ok()?;
        let (file, program) = (folder.path().join("main.go"), folder.path().join("main"));
        std::fs::write(&file, source).ok()?;
        let built = go.arg("build").arg("-o").arg(&program).arg(&file).status();
        built.is_ok_and(|status| status.success()).then_some(Self { program, _folder: folder })
    }

    fn run(&self, arguments: &[String], operations: u64) -> Duration {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg(operations.to_string());
        let output = command.output().expect("a program that was just built runs");
        let text = String::from_utf8_lossy(&output.stdout);
        Duration::from_nanos(text.trim().parse().expect("a number of nanoseconds"))
    }
}
