//! `lab`: see [`lab`](lab).

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    lab::cli::main()
}
