//! Lists in pages.

use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items in list order.
    pub data: Vec<T>,
    /// The id of the last item, to go on from; null on an empty page. A page that ends because it has looked at enough has
    /// the id that it looked at last, even if it is empty.
    pub iterator: Option<String>,
    /// `-` and the id of the first item, to go back from; left out where `iterator` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev_iterator: Option<String>,
    /// Whether nothing is left in the direction walked.
    pub done: bool,
}

impl<T> Page<T> {
    /// The same page with each item turned into what is shown.
    pub fn map<U>(self, show: impl FnMut(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(show).collect(),
            iterator: self.iterator,
            prev_iterator: self.prev_iterator,
            done: self.done,
        }
    }
}
