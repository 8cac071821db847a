//! An opt-in guard against SIGBUS under a mapped table.
//!
//! If the kernel can't deliver a page of a mapping, because the file was truncated, its network
//! file system went away or its disk failed, it raises SIGBUS, which ends the process. After
//! [`install`], such a fault marks the one table in which it happened. From then on each lookup in
//! that table gives [`ReadFailure::Faulted`](crate::ReadFailure::Faulted), and
//! [`Table::is_faulted`](crate::Table::is_faulted) says so; the process and all other tables go on.
//!
//! The guard can't restore lost bytes. It puts zeros where the lost page was, and after a few pages
//! zeros in place of the whole mapping. A slice that a lookup returned *before* the fault may
//! therefore turn into zeros while it is held. A caller that must know asks
//! [`Table::is_faulted`](crate::Table::is_faulted) after using the slice.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! graven::sigbus::install()?; // once, after crash handlers were installed
//! # Ok(())
//! # }
//! ```
//!
//! How it works: tables enter their mappings into a fixed array of atomics. The handler finds the
//! faulting address in this array, sets the table's flag, maps zeros over the page, and returns.
//! The interrupted read goes on with zeros, and the lookup finds the flag at its end. The handler
//! takes no locks and allocates nothing, so any number of threads may fault at once. The handler
//! passes a fault elsewhere on to the handler that was there before, such as Rust's own, which
//! reports stack overflows. The earlier handler runs as it would without the guard: with its signal
//! mask, on its stack, and only once if it was installed to run once.

#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "installs a signal handler, which replaces lost pages")
)]

mod registry;

pub(crate) use registry::{Lost, Watch};
use std::io;

/// Installs the guard for the whole process and for all tables, also those that are open already.
/// Further calls do nothing.
///
/// Call this after all code that installs a handler for SIGBUS of its own, such as crash reporters.
/// A handler that was there before gets every SIGBUS that is not a table's, with the flags and the
/// mask that it was installed with (`SA_NODEFER`, `SA_ONSTACK`, `SA_RESETHAND`, `SA_RESTART`). A
/// handler that is installed later and does not call its predecessor replaces the guard: from then
/// on a lost page ends in that handler.
///
/// The guard watches at most 4,096 mapped tables at a time;
/// [`Table::is_guarded`](crate::Table::is_guarded) says whether it watches one. Child processes made by
/// `fork` inherit the guard; `exec` ends it.
///
/// # Errors
/// The operating system's answer, if it refuses the handler; [`io::ErrorKind::Unsupported`] on
/// systems other than Linux.
pub fn install() -> io::Result<()> {
    handler::install()
}

/// Whether [`install`] was called and succeeded. Does not notice a handler that has replaced the
/// guard since.
#[must_use]
pub fn is_installed() -> bool {
    handler::is_installed()
}

#[cfg(not(target_os = "linux"))]
mod handler {
    use std::io;

    pub(super) fn install() -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn is_installed() -> bool {
        false
    }
}

#[cfg(target_os = "linux")]
mod handler {
    use crate::sigbus::registry;
    use libc::{BUS_ADRALN, SIG_DFL, SIG_IGN, SIGBUS};
    use libc::{SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO};
    use libc::{c_int, c_void, sigaction, siginfo_t};
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    use std::io;
    use std::mem::{transmute, zeroed};
    use std::ptr::{null, null_mut};
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// What the handler needs to know; set before the handler is installed.
    struct Installed {
        page_size: usize,
        /// The handler that was there before.
        previous: sigaction,
    }

    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    /// Whether a handler that was to run once (`SA_RESETHAND`) has run.
    static SPENT: AtomicBool = AtomicBool::new(false);
    /// One installation at a time.
    static INSTALLING: Mutex<bool> = Mutex::new(false);

    pub(super) fn is_installed() -> bool {
        *INSTALLING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn install() -> io::Result<()> {
        let mut done = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
        if *done {
            return Ok(());
        }
        // SAFETY: all zeros are a valid `sigaction`.
        let mut previous: sigaction = unsafe { zeroed() };
        // SAFETY: a null pointer changes nothing; the other one is valid for the answer.
        checked(unsafe { libc::sigaction(SIGBUS, null(), &raw mut previous) })?;
        // These values are set before the handler can run.
        let page_size = rustix::param::page_size();
        INSTALLED.get_or_init(|| Installed { page_size, previous });

        // SAFETY: as above.
        let mut guard: sigaction = unsafe { zeroed() };
        guard.sa_sigaction = on_sigbus as *const () as usize;
        // The kernel calls the guard as it would call the earlier handler. The guard itself needs
        // neither a stack of its own nor blocked signals.
        let inherited = match previous.sa_sigaction {
            SIG_DFL => SA_ONSTACK,
            // An ignored signal interrupts no system call.
            SIG_IGN => SA_ONSTACK | SA_RESTART,
            _ => previous.sa_flags & (SA_ONSTACK | SA_RESTART | SA_NODEFER),
        };
        guard.sa_flags = SA_SIGINFO | inherited;
        guard.sa_mask = previous.sa_mask;
        // SAFETY: `on_sigbus` has the signature that SA_SIGINFO asks for, and does only what a
        // signal handler may.
        checked(unsafe { libc::sigaction(SIGBUS, &raw const guard, null_mut()) })?;
        *done = true;
        Ok(())
    }

    fn checked(result: c_int) -> io::Result<()> {
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The handler. It takes no lock, does not allocate or panic, and its system calls leave
    /// `errno` alone.
    extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        let Some(installed) = INSTALLED.get() else { return };
        // SAFETY: the kernel passes a valid `siginfo_t` to a handler with SA_SIGINFO.
        let info_ref = unsafe { &*info };
        let code = info_ref.si_code;
        // A positive code comes from the kernel, so there is an address. An unaligned access does
        // not mean a lost page.
        if code > 0 && code != BUS_ADRALN {
            // SAFETY: a SIGBUS from the kernel carries an address.
            let address = unsafe { info_ref.si_addr() }.addr();
            let hole = registry::note(address, installed.page_size);
            if hole.is_some_and(|hole| hole.fill(installed.page_size, zeros)) {
                return;
            }
        }
        hand_on(&installed.previous, signal, code, info, context);
    }

    /// Replaces lost bytes by zeros. Returns false if the kernel refuses.
    fn zeros(start: usize, len: usize) -> bool {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        let start = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: the range is page-aligned and lies in a mapping of a table that is alive, since
        // a thread was reading it; read-only memory stays read-only memory there, and the table's
        // lookups find the flag that says that its bytes are no longer the file's.
        unsafe { mmap_anonymous(start, len, ProtFlags::READ, flags) }.is_ok()
    }

    /// Passes the signal on: does what would have happened without the guard.
    fn hand_on(
        previous: &sigaction,
        signal: c_int,
        code: c_int,
        info: *mut siginfo_t,
        context: *mut c_void,
    ) {
        let sent = code <= 0;
        let handled = ![SIG_DFL, SIG_IGN].contains(&previous.sa_sigaction);
        // The guard stays installed for the tables, so the kernel can't restore the default action
        // by itself.
        let once = handled && previous.sa_flags & SA_RESETHAND != 0;
        if once && SPENT.swap(true, SeqCst) {
            return end(signal);
        }
        match previous.sa_sigaction {
            SIG_DFL => end(signal),
            SIG_IGN if sent => {}
            // The kernel does not let a process ignore a fault.
            SIG_IGN => end(signal),
            handler if previous.sa_flags & SA_SIGINFO != 0 => {
                // SAFETY: with SA_SIGINFO, whoever installed it gave a function of this type.
                let handler = unsafe {
                    transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(handler)
                };
                handler(signal, info, context);
                if sent && is_default(signal) {
                    // Rust's handler gives up by restoring the default action and letting the fault
                    // recur. A signal that a process sent does not recur by itself.
                    end(signal);
                }
            }
            handler => {
                // SAFETY: without SA_SIGINFO, whoever installed it gave a function of this type.
                let handler = unsafe { transmute::<usize, extern "C" fn(c_int)>(handler) };
                handler(signal);
            }
        }
    }

    /// Lets the signal end the process once the handler returns.
    fn end(signal: c_int) {
        // SAFETY: all zeros are a valid `sigaction`: the default action.
        let default: sigaction = unsafe { zeroed() };
        // SAFETY: the first pointer is valid for the action, and a null pointer asks for no answer.
        unsafe { libc::sigaction(signal, &raw const default, null_mut()) };
        // SAFETY: no precondition. The signal waits until the handler returns.
        unsafe { libc::raise(signal) };
    }

    fn is_default(signal: c_int) -> bool {
        // SAFETY: all zeros are a valid `sigaction`.
        let mut now: sigaction = unsafe { zeroed() };
        // SAFETY: a null pointer changes nothing; the other one is valid for the answer.
        let asked = unsafe { libc::sigaction(signal, null(), &raw mut now) };
        asked == 0 && now.sa_sigaction == SIG_DFL
    }
}
