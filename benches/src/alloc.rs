//! A global allocator that counts what the calling thread asks for.
//!
//! Per thread and without an atomic operation, so that counting does not show in what is measured.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count.
#[derive(Debug)]
pub struct Counting;

fn count(bytes: usize) {
    // Without a destructor these cells can be reached for as long as the thread runs.
    COUNT.with(|count| count.set(count.get() + 1));
    BYTES.with(|total| total.set(total.get() + bytes as u64));
}

// SAFETY: everything is passed on to `System`; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Allocations, and the bytes they asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    pub count: u64,
    pub bytes: u64,
}

/// What `work` allocates on this thread.
pub fn allocations_of<R>(work: impl FnOnce() -> R) -> (R, Allocations) {
    let before = now();
    let result = work();
    let after = now();
    (result, Allocations { count: after.count - before.count, bytes: after.bytes - before.bytes })
}

fn now() -> Allocations {
    Allocations { count: COUNT.with(Cell::get), bytes: BYTES.with(Cell::get) }
}
