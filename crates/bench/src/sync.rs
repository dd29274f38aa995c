//! Area `sync`: shared state beside tokio's own means and the crates people take.

use crate::harness::Operation;
use crate::{
    sync_batch, sync_bus, sync_counter, sync_event, sync_lanes, sync_map, sync_objects, sync_once,
    sync_semaphore, sync_singleflight,
};

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    let parts = [
        sync_batch::operations(),
        sync_bus::operations(),
        sync_counter::operations(),
        sync_event::operations(),
        sync_lanes::operations(),
        sync_map::operations(),
        sync_objects::operations(),
        sync_once::operations(),
        sync_semaphore::operations(),
        sync_singleflight::operations(),
    ];
    parts.into_iter().flatten().collect()
}
