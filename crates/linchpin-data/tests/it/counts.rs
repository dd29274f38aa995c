//! Stores of counts: one suite for all, faults planted and real, and breakers that open together.

mod fleet;
mod postgres;
mod suite;

use std::sync::Arc;

use linchpin::resilience::breaker::fleet::DynCountStore;
use linchpin_data::counts;

use crate::server::{Server, Which, pool};

async fn store(which: Which, server: &Server) -> Arc<dyn DynCountStore> {
    match which {
        Which::Redis => {
            let url = format!("redis+unix://{}/redis.sock", server.path());
            Arc::new(counts::Redis::new(linchpin_data::redis::connect(&url).unwrap()))
        }
        Which::Postgres => {
            let store = counts::Postgres::new(pool(server.path()));
            store.migrate().await.unwrap();
            Arc::new(store)
        }
    }
}
