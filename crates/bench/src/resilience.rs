//! Area `resilience`: policies beside the crates people take.

use crate::harness::Operation;
use crate::{
    resilience_admission, resilience_balancer, resilience_breaker, resilience_bulkhead,
    resilience_coalesce, resilience_hedge, resilience_limiter, resilience_retry, resilience_stack,
    resilience_store, resilience_throttle, resilience_timeout,
};

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    let parts = [
        resilience_admission::operations(),
        resilience_balancer::operations(),
        resilience_breaker::operations(),
        resilience_bulkhead::operations(),
        resilience_coalesce::operations(),
        resilience_hedge::operations(),
        resilience_limiter::operations(),
        resilience_store::operations(),
        resilience_retry::operations(),
        resilience_throttle::operations(),
        resilience_timeout::operations(),
        resilience_stack::operations(),
    ];
    parts.into_iter().flatten().collect()
}
