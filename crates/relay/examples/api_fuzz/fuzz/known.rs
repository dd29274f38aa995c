//! What is there: the values that paths may name, learnt from answers.
//!
//! A parameter is known by the list that it is below: `{endpoint_id}` of `/app/{app_id}/endpoint/{endpoint_id}` is an item
//! of `/app/{app_id}/endpoint`. So whatever that path answers teaches its values, and a route that is new is learnt with the others.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Document, Operation};

/// The parameters of a path, by name.
pub(crate) type Place = BTreeMap<String, String>;

/// The values that are there, of one organisation.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// By the name of the parameter: each value, and what is above it.
    values: BTreeMap<String, Vec<(Place, String)>>,
}

/// So many values of one name are enough; the oldest go.
const ENOUGH: usize = 40;

impl Known {
    /// Learns from an answer of `operation` at `place`.
    pub(crate) fn learn(
        &mut self,
        document: &Document,
        operation: &Operation,
        place: &Place,
        body: &Value,
    ) {
        let Some(name) = document.item_of(&operation.path) else { return };
        let one = std::slice::from_ref(body);
        let items = body.get("data").and_then(Value::as_array).map_or(one, Vec::as_slice);
        for item in items {
            let id = item.get("id").or(item.get("name")).and_then(Value::as_str);
            let Some(id) = id.filter(|id| !id.is_empty()) else { continue };
            let values = self.values.entry(name.to_owned()).or_default();
            let value = (place.clone(), id.to_owned());
            if !values.contains(&value) {
                values.push(value);
            }
            if values.len() > ENOUGH {
                values.remove(0);
            }
        }
    }

    /// Forgets what has been deleted, with all that was below it.
    pub(crate) fn forget(&mut self, operation: &Operation, place: &Place) {
        let Some(last) = operation.path_names.last() else { return };
        let Some(gone) = place.get(last) else { return };
        for (name, values) in &mut self.values {
            values.retain(|(above, value)| {
                !(name == last && value == gone) && above.get(last) != Some(gone)
            });
        }
    }

    /// Values for all parameters of a path that belong together, as far as there are any.
    pub(crate) fn place(&self, names: &[String], random: &mut fastrand::Rng) -> Place {
        let mut place = Place::new();
        for name in names {
            let values = self.values.get(name).map_or(&[][..], Vec::as_slice);
            let fits = |(above, _): &&(Place, String)| {
                above.iter().all(|(name, value)| place.get(name).is_none_or(|given| given == value))
            };
            let fitting: Vec<_> = values.iter().filter(fits).collect();
            if let Some((_, value)) = random.choice(fitting) {
                place.insert(name.clone(), value.clone());
            }
        }
        place
    }

    /// Any value of anything.
    pub(crate) fn any(&self, random: &mut fastrand::Rng) -> Option<String> {
        let values = random
            .choice(self.values.values().filter(|values| !values.is_empty()).collect::<Vec<_>>())?;
        random.choice(values).map(|(_, value)| value.clone())
    }

    /// Everything of one name: what is above it, and its value.
    pub(crate) fn all(&self, name: &str) -> &[(Place, String)] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }
}
