//! Stripes that are locked together: two who want the same ones never wait for each other in a circle.

use std::sync::Arc;

use loom::thread;

use super::{catches, holds};
use crate::shim::Fault;
use crate::sync::striped::Stripes;

fn two_who_lock_the_same_two_the_other_way_round() {
    let stripes = Arc::new(Stripes::new("model", 2, || 0_u8).unwrap());
    let both = |stripes: &Stripes<u8>, order: [usize; 3]| {
        let mut several = stripes.lock_several(order.into_iter());
        assert_eq!(several.stripes.len(), 2, "each is locked once");
        several.stripes.iter_mut().for_each(|(_, stripe)| **stripe += 1);
    };
    let other = thread::spawn({
        let stripes = stripes.clone();
        move || both(&stripes, [1, 0, 0])
    });
    both(&stripes, [0, 1, 1]);
    other.join().unwrap();
    assert_eq!((*stripes.lock(0), *stripes.lock(1)), (2, 2));
}

#[test]
fn striped_order() {
    holds("striped_order", two_who_lock_the_same_two_the_other_way_round);
    catches(Fault::StripesLockAsTheyCome, two_who_lock_the_same_two_the_other_way_round);
}
