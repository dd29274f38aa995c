//! Where servers of this kind are known to be weak, by the numbers of the README's table.

mod w04;
