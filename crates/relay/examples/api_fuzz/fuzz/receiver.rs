//! A receiver of deliveries, which keeps nothing.

use axum::Router;
use axum::body::Bytes;
use linchpin::task::{self, Task};
use tokio::net::TcpListener;

/// Answers 200 to everything, until it is dropped.
pub(crate) struct Receiver {
    /// With a slash at its end.
    pub(crate) url: String,
    _server: Task<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|fault| fault.to_string())?;
        let address = listener.local_addr().map_err(|fault| fault.to_string())?;
        // Read to its end, or the connection would be cut under the sender.
        let router = Router::new().fallback(async |_body: Bytes| "");
        let server = task::spawn("receiver", async move {
            axum::serve(listener, router).await.expect("it serves until it is dropped");
        });
        Ok(Self { url: format!("http://{address}/"), _server: server })
    }
}
