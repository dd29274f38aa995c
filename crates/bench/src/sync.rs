//! Area `sync`: shared state beside tokio's own means and the crates people take.

use crate::harness::Operation;
use crate::sync_semaphore;

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    let parts = [sync_semaphore::operations()];
    parts.into_iter().flatten().collect()
}
