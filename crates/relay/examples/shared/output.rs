//! What a stream of a child process brings.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use linchpin::task::{self, Task};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::watch;
use tokio::time::timeout;

/// What a stream has brought so far. It is read until this is dropped.
pub(crate) struct Kept {
    text: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
    _reader: Task<()>,
}

impl Kept {
    pub(crate) fn new(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let (told, lines) = watch::channel(0);
        let kept = text.clone();
        let reader = task::spawn("output", async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut text = kept.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
                told.send_modify(|count| *count += 1);
            }
        });
        Self { text, lines, _reader: reader }
    }

    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks through all of it, again with each line. `None` if the stream ends, or the time is up, before it is found.
    pub(crate) async fn find<T>(
        &mut self,
        patience: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let search = async {
            loop {
                self.lines.borrow_and_update();
                if let Some(found) = find(&self.text()) {
                    return Some(found);
                }
                self.lines.changed().await.ok()?;
            }
        };
        timeout(patience, search).await.ok().flatten()
    }
}
