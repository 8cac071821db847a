//! Which mutant of this build is on. Stands in the woven sources alone (tests/mutants/weave.py).
//!
//! `GRAVEN_MUTANT` is the number of the mutant. `GRAVEN_MUTANTS_REACHED` names a file with a byte
//! for each mutant, which becomes 1 once the process comes to the place of the mutant. Child processes
//! inherit both. Nothing here allocates or takes a lock: places may lie in signal handlers.

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};

/// The environment has not been read.
const UNREAD: u32 = u32::MAX;
/// No mutant is on, and places are recorded.
const RECORDING: u32 = u32::MAX - 1;
/// No mutant is on.
const NONE: u32 = u32::MAX - 2;

static CHOSEN: AtomicU32 = AtomicU32::new(UNREAD);
static REACHED: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

/// Whether mutant `id` is on. While constants are evaluated, none is.
#[inline]
pub const fn on(id: u32) -> bool {
    const fn never(_: u32) -> bool {
        false
    }
    core::intrinsics::const_eval_select((id,), never, is_on)
}

#[inline]
fn is_on(id: u32) -> bool {
    let chosen = CHOSEN.load(Relaxed);
    if chosen < RECORDING { chosen == id } else { first(chosen, id) }
}

#[cold]
#[inline(never)]
fn first(mut chosen: u32, id: u32) -> bool {
    if chosen == UNREAD {
        chosen = read();
        CHOSEN.store(chosen, Relaxed);
    }
    let reached = REACHED.load(Relaxed);
    if !reached.is_null() {
        // SAFETY: the file has a byte for each mutant.
        unsafe { reached.add(id as usize).write_volatile(1) };
    }
    chosen == id
}

fn read() -> u32 {
    // SAFETY: the names end with zero.
    let (mutant, reached) = unsafe {
        (libc::getenv(c"GRAVEN_MUTANT".as_ptr()), libc::getenv(c"GRAVEN_MUTANTS_REACHED".as_ptr()))
    };
    if !mutant.is_null() {
        // SAFETY: a value of the environment ends with zero.
        return unsafe { libc::atoi(mutant) } as u32;
    }
    if reached.is_null() {
        return NONE;
    }
    // SAFETY: as before; the mapping stays until the process ends.
    unsafe {
        let file = libc::open(reached, libc::O_RDWR | libc::O_CLOEXEC);
        let length = libc::lseek(file, 0, libc::SEEK_END);
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let bytes =
            libc::mmap(std::ptr::null_mut(), length as usize, rights, libc::MAP_SHARED, file, 0);
        libc::close(file);
        if bytes == libc::MAP_FAILED {
            return NONE;
        }
        REACHED.store(bytes.cast(), Relaxed);
    }
    RECORDING
}
