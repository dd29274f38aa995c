//! A table whose rows stay where they are: O(1) to enter and to leave, and a burst does not keep its memory.

/// Rows found by the number that [`insert`](Slab::insert) returned, in chunks of 64.
///
/// A chunk that becomes empty gives its memory back, but for one, so that a row that comes and goes at the edge of a
/// chunk does not allocate each time. What a burst leaves behind is 36 bytes for each chunk, until the table is empty.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// The chunks with a free place; the last one is filled first.
    roomy: Vec<u32>,
    /// The chunk that kept its memory when it became empty; it may have been filled since.
    spare: Option<u32>,
    len: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    /// A bit for each place that is taken; the lowest free one is taken next.
    taken: u64,
    /// As long as the highest place that was taken.
    places: Vec<Option<T>>,
}

const CHUNK: u32 = u64::BITS;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new(), roomy: Vec::new(), spare: None, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.insert_with(|_| value)
    }

    /// Inserts a row that knows its number.
    #[inline]
    pub(crate) fn insert_with(&mut self, value: impl FnOnce(u32) -> T) -> u32 {
        let index = match self.roomy.last() {
            Some(index) => *index,
            None => self.add_chunk(),
        };
        let chunk = &mut self.chunks[index as usize];
        let place = chunk.taken.trailing_ones();
        let number = index * CHUNK + place;
        let value = value(number);
        chunk.taken |= 1 << place;
        if chunk.taken == u64::MAX {
            self.roomy.pop();
        }
        match chunk.places.get_mut(place as usize) {
            Some(free) => *free = Some(value),
            None => chunk.places.push(Some(value)),
        }
        self.len += 1;
        number
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let chunk = self.chunks.get((number / CHUNK) as usize)?;
        chunk.places.get((number % CHUNK) as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let chunk = self.chunks.get_mut((number / CHUNK) as usize)?;
        chunk.places.get_mut((number % CHUNK) as usize)?.as_mut()
    }

    /// Takes out a row that is there.
    #[inline]
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let (index, place) = (number / CHUNK, number % CHUNK);
        let chunk = &mut self.chunks[index as usize];
        let row = chunk.places[place as usize].take();
        if chunk.taken == u64::MAX {
            self.roomy.push(index);
        }
        chunk.taken &= !(1 << place);
        self.len -= 1;
        let is_empty = chunk.taken == 0;
        // The one chunk there is keeps its memory.
        if is_empty && (self.spare != Some(index) || self.chunks.len() > 1) {
            self.give_back(index);
        }
        row
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| &chunk.places).flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flat_map(|chunk| &mut chunk.places).flatten()
    }

    /// Takes all rows out, and keeps the memory of one chunk.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let mut rows = Vec::with_capacity(self.len);
        for chunk in &mut self.chunks {
            chunk.taken = 0;
            rows.extend(chunk.places.iter_mut().filter_map(Option::take));
        }
        self.chunks.truncate(1);
        self.roomy.clear();
        self.roomy.extend((0..self.chunks.len()).map(|index| index as u32));
        self.spare = self.roomy.first().copied();
        self.len = 0;
        rows
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.chunks.into_iter().flat_map(|chunk| chunk.places).flatten()
    }

    fn add_chunk(&mut self) -> u32 {
        // Rows would have to fill terabytes before their numbers run out.
        let index = self.chunks.len() as u32;
        self.chunks.push(Chunk { taken: 0, places: Vec::new() });
        self.roomy.push(index);
        index
    }

    /// Frees memory when the last row has left the chunk `index`.
    #[inline(never)]
    fn give_back(&mut self, index: u32) {
        if self.len == 0 && self.chunks.len() > 1 {
            let kept = self.chunks.swap_remove(index as usize);
            *self = Self { chunks: vec![kept], roomy: vec![0], spare: Some(0), len: 0 };
            return;
        }
        let has_spare = self
            .spare
            .is_some_and(|spare| spare != index && self.chunks[spare as usize].taken == 0);
        if has_spare {
            self.chunks[index as usize].places = Vec::new();
        } else {
            self.spare = Some(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Rows for which there is memory.
    fn capacity<T>(slab: &Slab<T>) -> usize {
        slab.chunks.iter().map(|chunk| chunk.places.capacity()).sum()
    }

    proptest! {
        /// Beside a map: what is there is found, what has left is not, and no number is given twice at once.
        #[test]
        fn it_is_a_map_that_chooses_its_keys(steps in prop::collection::vec((any::<bool>(), any::<usize>()), 1..600)) {
            let mut slab = Slab::new();
            let mut model: HashMap<u32, usize> = HashMap::new();
            for (enters, value) in steps {
                if enters {
                    prop_assert!(model.insert(slab.insert(value), value).is_none());
                } else if let Some(number) = model.keys().nth(value % model.len().max(1)).copied() {
                    prop_assert_eq!(slab.remove(number), model.remove(&number));
                    prop_assert_eq!(slab.get(number), None);
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            prop_assert!(model.iter().all(|(number, value)| slab.get(*number) == Some(value)));
            let (mut rows, mut values): (Vec<_>, Vec<_>) = (slab.iter().collect(), model.values().collect());
            rows.sort_unstable();
            values.sort_unstable();
            prop_assert_eq!(rows, values);
        }
    }

    #[test]
    fn a_burst_gives_its_memory_back_though_some_stay() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = (0..100_000).map(|row| slab.insert(row)).collect();
        let (stay, go): (Vec<u32>, Vec<u32>) =
            numbers.into_iter().partition(|row| row % 10_000 == 0);
        for number in go {
            slab.remove(number);
        }
        // Ten rows hold ten chunks, and one chunk is kept for the next row.
        assert!(capacity(&slab) <= 11 * 64, "{}", capacity(&slab));
        for number in stay {
            slab.remove(number);
        }
        assert_eq!((slab.len(), slab.chunks.len()), (0, 1));
    }

    #[test]
    fn rows_that_are_taken_out_leave_the_memory_of_one_chunk() {
        let mut slab = Slab::new();
        for many in [1, 64, 65, 1000, 3] {
            let numbers: Vec<u32> = (0..many).map(|row| slab.insert(row)).collect();
            assert_eq!(slab.remove(numbers[0]), Some(0));
            let mut rows = slab.drain();
            rows.sort_unstable();
            assert_eq!((rows, slab.len()), ((1..many).collect(), 0));
            assert!(slab.chunks.len() == 1 && capacity(&slab) <= 64);
            assert_eq!((slab.iter().count(), slab.drain().len()), (0, 0));
        }
    }

    #[test]
    fn a_row_at_the_edge_of_a_chunk_does_not_allocate_each_time() {
        let mut slab = Slab::new();
        for row in 0..64 {
            slab.insert(row);
        }
        let number = slab.insert(64);
        let kept = capacity(&slab);
        for _ in 0..10 {
            slab.remove(number);
            assert_eq!(capacity(&slab), kept);
            assert_eq!(slab.insert(64), number);
        }
    }

    #[test]
    fn what_leaves_makes_place_for_what_comes() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = (0..1000).map(|row| slab.insert(row)).collect();
        for _ in 0..10 {
            for number in &numbers {
                slab.remove(*number);
            }
            let mut again: Vec<u32> = (0..1000).map(|row| slab.insert(row)).collect();
            again.sort_unstable();
            assert_eq!(again, numbers);
        }
    }
}
