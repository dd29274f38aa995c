//! Breakers of many endpoints.

use linchpin::time::Timestamp;
use relay::deliver::Force;
use relay::ids::EndpointId;

use crate::api::Api;

#[linchpin_testing::test]
fn no_breaker_is_forgotten_for_ten_thousand_others() {
    let api = Api::new();
    let ids: Vec<_> = (0..10_100).map(|_| EndpointId::at(Timestamp::now())).collect();
    for id in &ids {
        // Each is looked at, and in nobody's hand.
        api.policies.force(*id, Force::Reset).unwrap();
    }
    let all = api.policies.snapshots();
    assert_eq!(all.iter().filter(|one| one.policy == "breaker").count(), ids.len());
}
