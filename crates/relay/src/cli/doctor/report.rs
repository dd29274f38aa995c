//! What was found, and how it is shown.

use std::fmt::{Display, Write as _};

use linchpin::Error;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::super::call::Failure;
use super::super::output::{self, Format};
use crate::admin::Condition;

/// What was found so far, in the order of the checks.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    state: Condition,
    found: String,
    /// What to do, unless it is well.
    advice: Option<String>,
}

impl Report {
    pub(super) fn ok(&mut self, check: &'static str, found: impl Display) {
        self.push(check, Condition::Ok, found, None);
    }

    pub(super) fn warn(&mut self, check: &'static str, found: impl Display, advice: impl Display) {
        self.push(check, Condition::Warn, found, Some(advice.to_string()));
    }

    pub(super) fn fail(&mut self, check: &'static str, found: impl Display, advice: impl Display) {
        self.push(check, Condition::Fail, found, Some(advice.to_string()));
    }

    /// Notes that a check could not be made.
    pub(super) fn cannot(&mut self, check: &'static str, error: &Error) {
        const ADVICE: &str =
            "see that the file is Relay's and is not damaged; else restore a backup";
        self.fail(check, error.report(), ADVICE);
    }

    fn push(
        &mut self,
        check: &'static str,
        state: Condition,
        found: impl Display,
        advice: Option<String>,
    ) {
        self.0.push(Finding { check, state, found: found.to_string(), advice });
    }

    /// Whether anything does not work.
    pub(super) fn is_broken(&self) -> bool {
        self.0.iter().any(|finding| finding.state == Condition::Fail)
    }

    /// Shows a line for each check, and below it what to do.
    pub(super) fn show(&self, json: bool) -> Result<(), Failure> {
        if json {
            let raw = |finding: &Finding| to_raw_value(finding).expect("texts are JSON");
            return Format::Json.many(&self.0.iter().map(raw).collect::<Vec<_>>(), &[]);
        }
        output::print(&self.table())
    }

    /// The same as text.
    pub(super) fn table(&self) -> String {
        let width = self.0.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        let mut table = String::new();
        for Finding { check, state, found, advice } in &self.0 {
            let state = match state {
                Condition::Ok => "ok",
                Condition::Warn => "warn",
                Condition::Fail => "FAIL",
            };
            for (nth, line) in found.lines().enumerate() {
                let (state, check) = if nth == 0 { (state, *check) } else { ("", "") };
                table.push_str(&row(state, check, width, line));
            }
            if let Some(advice) = advice {
                table.push_str(&row("", "", width, &format!("-> {advice}")));
            }
        }
        table
    }
}

fn row(state: &str, check: &str, width: usize, text: &str) -> String {
    let mut row = String::new();
    let text = output::cell(&Value::String(text.to_owned()));
    // A text takes what is written to it.
    write!(row, "{state:<4}  {check:<width$}  {text}").ok();
    row + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[linchpin_testing::test]
    fn a_table_says_what_to_do_below_what_was_found() {
        let mut report = Report::default();
        report.ok("settings", "valid");
        assert!(!report.is_broken());
        report.fail("file", "two lines\nof it", "mend \u{1b} it");
        assert!(report.is_broken());
        let wanted = "ok    settings  valid\n\
                      FAIL  file      two lines\n      \
                      \x20         of it\n      \
                      \x20         -> mend \u{fffd} it\n";
        assert_eq!(report.table(), wanted);
    }
}
