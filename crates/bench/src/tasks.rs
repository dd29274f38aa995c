//! Area `tasks`: structured concurrency beside tokio's own means and what people add to them.

use crate::harness::Operation;
use crate::{tasks_fan, tasks_group, tasks_pipeline, tasks_pool, tasks_pool_data, tasks_timers};

/// Every row that the harness measures.
pub fn operations() -> Vec<Operation> {
    let parts = [
        tasks_fan::operations(),
        tasks_group::operations(),
        tasks_pipeline::operations(),
        tasks_pool::operations(),
        tasks_pool_data::operations(),
        tasks_timers::operations(),
    ];
    parts.into_iter().flatten().collect()
}
