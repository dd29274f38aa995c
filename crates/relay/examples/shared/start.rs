//! A Relay as a child process, from its start until it has said where it is.

use std::process::Stdio;
use std::time::Duration;

use linchpin::task::{self, Task};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::Failure;

/// A Relay that has said where it is, and may not be ready yet. It is killed when its child is dropped.
pub(crate) struct Started {
    pub(crate) child: Child,
    /// URLs without a path.
    pub(crate) api: String,
    pub(crate) admin: String,
    /// Of the default organisation.
    pub(crate) token: String,
    /// Reads on: nobody may find its output closed.
    pub(crate) rest: Task<()>,
}

/// Starts it by its whole command line, and waits until it has said where it is.
pub(crate) async fn start(mut command: Command, patience: Duration) -> Result<Started, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let [api, admin, token] = timeout(patience, addresses(&mut lines)).await??;
    let reading = async move { while let Ok(Some(_)) = lines.next_line().await {} };
    Ok(Started { child, api, admin, token, rest: task::spawn("output", reading) })
}

/// The API's address, the admin address and the token.
async fn addresses(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<[String; 3], Failure> {
    let mut found = ["api ", "admin ", "token "].map(|prefix| (prefix, None));
    while found.iter().any(|(_, value)| value.is_none()) {
        let line = lines.next_line().await?.ok_or("it ended before it printed its addresses")?;
        for (prefix, value) in &mut found {
            if let Some(rest) = line.trim_start().strip_prefix(*prefix) {
                value.get_or_insert_with(|| rest.trim().to_owned());
            }
        }
    }
    Ok(found.map(|(_, value)| value.unwrap_or_default()))
}
