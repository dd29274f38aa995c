//! Area `resilience`: policies beside the crates people take.

use crate::harness::Operation;
use crate::resilience_breaker;

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    resilience_breaker::operations()
}
