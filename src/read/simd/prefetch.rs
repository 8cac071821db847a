//! Prefetching: a cache line is requested before it is read, so that several waits for memory
//! overlap.

#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "the prefetch instruction takes a pointer")
)]

/// Bytes of a cache line.
pub(crate) const CACHE_LINE: usize = 64;

/// Prefetches the cache line of `bytes[at]` into the first-level cache. Beyond the end the
/// instruction has no effect.
#[inline(always)]
pub(crate) fn prefetch(bytes: &[u8], at: usize) {
    prefetch_address(bytes.as_ptr().wrapping_add(at));
}

/// Prefetches the cache line of `bytes[at]` into the second-level cache, for bytes that are read a
/// while later. The first-level cache can wait for few lines at a time (24 on Zen 4).
#[inline(always)]
pub(crate) fn prefetch_outer(bytes: &[u8], at: usize) {
    prefetch_outer_address(bytes.as_ptr().wrapping_add(at));
}

/// [`prefetch`] of the cache line at an address, which may be any.
#[inline(always)]
pub(crate) fn prefetch_address(place: *const u8) {
    prefetch_into::<3>(place);
}

/// [`prefetch_outer`] of the cache line at an address, which may be any.
#[inline(always)]
pub(crate) fn prefetch_outer_address(place: *const u8) {
    prefetch_into::<2>(place);
}

/// `LEVEL` is the number in the instruction: 3 is the first-level cache, 2 the second.
#[inline(always)]
fn prefetch_into<const LEVEL: i32>(place: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults nowhere, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<LEVEL>(place.cast())
    };
    // No stable intrinsic has the instruction of 64-bit ARM. Its operand is 0 for the first-level cache,
    // 2 for the second.
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch changes nothing that a program sees and faults nowhere, whatever the address.
    unsafe {
        std::arch::asm!(
            "prfm #{level}, [{place}]",
            level = const 2 * (3 - LEVEL),
            place = in(reg) place,
            options(nostack, preserves_flags, readonly),
        );
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = place;
}
