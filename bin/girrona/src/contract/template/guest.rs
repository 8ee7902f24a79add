//! What a contract needs of its surroundings: memory and a way to panic. Nothing to change here.
//!
//! A contract is called once and thrown away, so memory is handed out and never taken back; it is
//! fresh and zeroed. A panic becomes `unreachable`: the Deploy fails with an interpreter error.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::Cell;
use core::ptr;

/// Bytes of a page of WebAssembly memory.
const PAGE: usize = 65_536;

unsafe extern "C" {
    /// The first byte that neither the stack nor static data uses; the linker places it.
    static __heap_base: u8;
}

/// Hands out memory from `next` to the end, and asks for pages when it ends. 0 means "not begun".
struct Bump {
    next: Cell<usize>,
}

// SAFETY: contracts have one thread.
unsafe impl Sync for Bump {}

// SAFETY: `alloc` returns memory that was never returned before, aligned and inside the memory of
// the module, or null.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let next = match self.next.get() {
            0 => (&raw const __heap_base).addr(),
            next => next,
        };
        let Some(start) = next.checked_next_multiple_of(layout.align()) else {
            return ptr::null_mut();
        };
        let Some(end) = start.checked_add(layout.size()) else { return ptr::null_mut() };
        let missing = end.div_ceil(PAGE).saturating_sub(wasm32::memory_size(0));
        if missing > 0 && wasm32::memory_grow(0, missing) == usize::MAX {
            return ptr::null_mut();
        }
        self.next.set(end);
        ptr::with_exposed_provenance_mut(start)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as `alloc`; memory that was never handed out is still zero.
        unsafe { self.alloc(layout) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { next: Cell::new(0) };

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    wasm32::unreachable()
}
