//! Pools of buffers: sizes, what grew, what is too large, what is seen of the one before.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use linchpin::sync::object_pool::{BufferOptions, BufferPool};

fn pool(options: BufferOptions) -> BufferPool {
    BufferPool::new(options).unwrap()
}

/// From 1 to 16 KiB, nothing for single threads.
fn small() -> BufferPool {
    pool(BufferOptions::default().per_thread(0).sizes(1 << 10, 16 << 10))
}

#[test]
fn a_buffer_is_empty_and_has_the_room_that_was_asked_for() {
    let pool = small();
    for (bytes, room) in
        [(0, 1 << 10), (1, 1 << 10), (1024, 1 << 10), (1025, 2 << 10), (16 << 10, 16 << 10)]
    {
        let mut buffer = pool.take(bytes);
        assert!(buffer.is_empty());
        assert_eq!(buffer.capacity(), room, "{bytes} bytes");
        buffer.resize(bytes, 1);
        drop(buffer);
        let again = pool.take(bytes);
        assert!(again.is_empty() && again.capacity() >= bytes);
    }
    assert_eq!((pool.stats().out, pool.stats().made), (0, 3));
}

#[test]
fn one_that_grew_comes_back_to_where_it_fits() {
    let pool = small();
    let mut buffer = pool.take(1024);
    buffer.reserve_exact(5_000);
    drop(buffer);
    // Room for 5,000 is room for 4,096, and not for 8,192.
    assert_eq!(pool.take(8192).capacity(), 8192);
    assert!(pool.take(4096).capacity() >= 5_000);
    assert_eq!((pool.stats().made, pool.stats().reused), (2, 1));
}

#[test]
fn one_that_is_too_large_or_too_small_is_not_kept() {
    let pool = small();
    drop(pool.take(1 << 20));
    assert_eq!((pool.stats().kept, pool.stats().discarded, pool.stats().out), (0, 1, 0));
    pool.take(1024).resize(17 << 10, 0);
    assert_eq!((pool.stats().kept, pool.stats().discarded, pool.stats().out), (0, 2, 0));
    let mut buffer = pool.take(1024);
    let moved_out = std::mem::take(&mut *buffer);
    drop(buffer);
    assert_eq!((pool.stats().kept, pool.stats().discarded, pool.stats().out), (0, 3, 0));
    pool.give(moved_out);
    assert_eq!((pool.stats().kept, pool.stats().discarded, pool.stats().out), (1, 3, 0));
}

#[test]
fn the_bytes_that_are_kept_have_a_cap_over_all_sizes() {
    let pool = pool(BufferOptions::default().per_thread(0).max_bytes(20 << 10));
    let four = [(); 4].map(|()| pool.take(4 << 10));
    let eight = [(); 2].map(|()| pool.take(8 << 10));
    drop(four);
    drop(eight);
    assert_eq!((pool.stats().kept, pool.stats().discarded), (4, 2));
    drop(pool.take(4 << 10));
    assert_eq!((pool.stats().kept, pool.stats().reused), (4, 1));
    pool.clear();
    drop([(); 2].map(|()| pool.take(8 << 10)));
    assert_eq!(pool.stats().kept, 2, "what was cleared is off the cap");
}

#[test]
fn the_number_that_is_kept_has_a_cap_too() {
    let pool = pool(BufferOptions::default().per_thread(0).max_kept(3));
    drop([1 << 10, 2 << 10, 4 << 10, 8 << 10].map(|bytes| pool.take(bytes)));
    assert_eq!((pool.stats().kept, pool.stats().discarded), (3, 1));
}

#[test]
fn bad_sizes_are_refused_with_the_reason() {
    let why = |options| BufferPool::new(options).unwrap_err().to_string();
    let sizes = |smallest, largest| why(BufferOptions::default().sizes(smallest, largest));
    assert!(sizes(1000, 1024).ends_with("sizes of 1000 and 1024 bytes are not powers of two"));
    assert!(sizes(1024, 0).ends_with("sizes of 1024 and 0 bytes are not powers of two"));
    assert!(
        sizes(2048, 1024).ends_with("the smallest size, 2048 bytes, is above the largest, 1024")
    );
}

#[test]
fn a_detached_buffer_is_nobodys_and_no_leak() {
    let pool = small();
    let mut buffer = pool.take_owned(100);
    buffer.extend_from_slice(b"mine");
    assert_eq!(format!("{buffer:?}"), "Buffer { len: 4, .. }", "its bytes are not for logs");
    assert_eq!(buffer.as_ref(), b"mine");
    let own: Vec<u8> = buffer.detach();
    assert_eq!((own.as_slice(), pool.stats().out, pool.stats().kept), (b"mine".as_slice(), 0, 0));
}

/// Whoever comes after its return, by a pointer that it kept, finds nonsense and not the bytes that were there.
#[test]
fn a_buffer_that_came_back_is_poisoned_in_a_debug_build() {
    let pool = small();
    let mut buffer = pool.take(1024);
    buffer.resize(1024, 7);
    let at = buffer.as_ptr().addr() as u64;
    let memory = File::open("/proc/self/mem").expect("Linux");
    let look = || {
        let mut bytes = [0; 1024];
        memory.read_exact_at(&mut bytes, at).expect("our own memory");
        bytes
    };
    assert_eq!(look(), [7; 1024]);
    drop(buffer);
    let left = if cfg!(debug_assertions) { BufferPool::POISON } else { 7 };
    assert_eq!(look(), [left; 1024]);
}
