//! Go as a peer: a program that is built once a run, where Go is installed, and asked for each sample.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use tempfile::TempDir;

/// A program whose last argument is how many operations to do, and which prints how many nanoseconds they took.
#[derive(Clone, Debug)]
pub struct Program(Rc<(TempDir, PathBuf)>);

impl Program {
    /// Builds it; `None` where there is no Go that does.
    #[must_use]
    pub fn build(source: &str) -> Option<Self> {
        Self::built_by(source, &mut Command::new("go"))
    }

    /// The same with the sources that a distribution of Linux installs below `path`, as in a GOPATH.
    #[must_use]
    pub fn build_with(source: &str, path: &Path) -> Option<Self> {
        let mut go = Command::new("go");
        Self::built_by(source, go.env("GO111MODULE", "off").env("GOPATH", path))
    }

    fn built_by(source: &str, go: &mut Command) -> Option<Self> {
        let folder = TempDir::new().ok()?;
        let (file, program) = (folder.path().join("main.go"), folder.path().join("main"));
        std::fs::write(&file, source).ok()?;
        let built = go.arg("build").arg("-o").arg(&program).arg(&file).status();
        built.is_ok_and(|status| status.success()).then(|| Self(Rc::new((folder, program))))
    }

    /// One run of it, with `arguments` before the number of operations.
    ///
    /// # Panics
    ///
    /// When a sample is taken, if the program fails.
    pub fn sample(&self, arguments: &[&str]) -> impl FnMut(u64) -> Duration + use<> {
        let program = self.clone();
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.into()).collect();
        move |operations| {
            let mut command = Command::new(&program.0.1);
            command.args(&arguments).arg(operations.to_string());
            let output = command.output().expect("a program that was just built runs");
            let text = String::from_utf8_lossy(&output.stdout);
            Duration::from_nanos(text.trim().parse().expect("a number of nanoseconds"))
        }
    }
}
