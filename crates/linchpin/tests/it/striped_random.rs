//! The striped map against a plain one: random calls, and the same answers.

use std::collections::BTreeMap;

use hashbrown::DefaultHashBuilder;
use linchpin::sync::striped::Map;
use proptest::prelude::*;

use crate::striped_parity::Truncated;

/// What Go's `mapCall` chooses from, and what Go does not have.
#[derive(Clone, Debug)]
enum Call {
    Get(u8),
    Insert(u8, u8),
    GetOrInsert(u8, u8),
    Remove(u8),
    RemoveIf(u8, u8),
    Update(u8, u8),
    Compute(u8, Option<u8>),
    Retain(u8),
    Clear,
    Len,
}

fn call() -> impl Strategy<Value = Call> {
    let (key, value) = (0..40_u8, 0..4_u8);
    prop_oneof![
        8 => key.clone().prop_map(Call::Get),
        8 => (key.clone(), value.clone()).prop_map(|(key, value)| Call::Insert(key, value)),
        4 => (key.clone(), value.clone()).prop_map(|(key, value)| Call::GetOrInsert(key, value)),
        8 => key.clone().prop_map(Call::Remove),
        4 => (key.clone(), value.clone()).prop_map(|(key, value)| Call::RemoveIf(key, value)),
        4 => (key.clone(), value.clone()).prop_map(|(key, value)| Call::Update(key, value)),
        4 => (key, proptest::option::of(value.clone())).prop_map(|(key, value)| Call::Compute(key, value)),
        1 => value.prop_map(Call::Retain),
        1 => Just(Call::Clear),
        1 => Just(Call::Len),
    ]
}

fn ours(map: &Map<u8, u8, Truncated>, call: &Call) -> Option<u8> {
    match *call {
        Call::Get(key) => map.get(&key),
        Call::Insert(key, value) => map.insert(key, value),
        Call::GetOrInsert(key, value) => Some(map.get_or_insert_with(key, || value)),
        Call::Remove(key) => map.remove(&key),
        Call::RemoveIf(key, value) => map.remove_if(&key, |there| *there == value),
        Call::Update(key, value) => map.update(&key, |there| std::mem::replace(there, value)),
        Call::Compute(key, value) => map.compute(key, |slot| std::mem::replace(slot, value)),
        Call::Retain(value) => {
            map.retain(|_, there| *there != value);
            None
        }
        Call::Clear => {
            map.clear();
            None
        }
        Call::Len => u8::try_from(map.len()).ok(),
    }
}

fn plain(map: &mut BTreeMap<u8, u8>, call: &Call) -> Option<u8> {
    match *call {
        Call::Get(key) => map.get(&key).copied(),
        Call::Insert(key, value) => map.insert(key, value),
        Call::GetOrInsert(key, value) => Some(*map.entry(key).or_insert(value)),
        Call::Remove(key) => map.remove(&key),
        Call::RemoveIf(key, value) => {
            (map.get(&key) == Some(&value)).then(|| map.remove(&key)).flatten()
        }
        Call::Update(key, value) => map.get_mut(&key).map(|there| std::mem::replace(there, value)),
        Call::Compute(key, value) => {
            let before = map.remove(&key);
            map.extend(value.map(|value| (key, value)));
            before
        }
        Call::Retain(value) => {
            map.retain(|_, there| *there != value);
            None
        }
        Call::Clear => {
            map.clear();
            None
        }
        Call::Len => u8::try_from(map.len()).ok(),
    }
}

#[test]
fn random_calls_match_a_plain_map() {
    let bits = prop_oneof![Just(u64::MAX), Just(0), Just(7)];
    let stripes = prop_oneof![Just(1), Just(4)];
    let calls = proptest::collection::vec(call(), 0..300);
    proptest!(|(calls in calls, bits in bits, stripes in stripes)| {
        let hasher = Truncated(DefaultHashBuilder::default(), bits);
        let (map, mut model) = (Map::with_stripes(stripes, hasher).unwrap(), BTreeMap::new());
        for call in &calls {
            prop_assert_eq!(ours(&map, call), plain(&mut model, call), "{:?}", call);
        }
        let left: BTreeMap<u8, u8> = map.iter().collect();
        prop_assert_eq!(left, model);
    });
}
