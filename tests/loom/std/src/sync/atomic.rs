//! loom's atomics, made when they are first used: graven has atomics in statics, which loom's own
//! can't be, and which begin anew in each execution.
//!
//! `SeqCst` is taken for acquire and release. To loom, its operations happen in one order of time that
//! all threads see, which is more than the language promises where other operations are weaker.

use crate::model::execution;
pub use loom::sync::atomic::fence;
use std::fmt;
pub use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// loom's atomic, of the execution with this number.
type Made<A> = Mutex<Option<(u64, Arc<A>)>>;

fn made<A>(place: &Made<A>, new: impl FnOnce() -> A) -> Arc<A> {
    // No thread of the model runs before this returns: loom switches threads in its own operations.
    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
    match &*place {
        Some((number, atomic)) if *number == execution() => Arc::clone(atomic),
        _ => Arc::clone(&place.insert((execution(), Arc::new(new()))).1),
    }
}

fn of_load(order: Ordering) -> Ordering {
    if order == Ordering::SeqCst { Ordering::Acquire } else { order }
}

fn of_store(order: Ordering) -> Ordering {
    if order == Ordering::SeqCst { Ordering::Release } else { order }
}

fn of_both(order: Ordering) -> Ordering {
    if order == Ordering::SeqCst { Ordering::AcqRel } else { order }
}

macro_rules! atomic {
    ($name:ident, $value:ty $(, $operation:ident)*) => {
        pub struct $name {
            initial: $value,
            made: Made<loom::sync::atomic::$name>,
        }

        impl $name {
            pub const fn new(initial: $value) -> Self {
                Self { initial, made: Mutex::new(None) }
            }

            fn made(&self) -> Arc<loom::sync::atomic::$name> {
                made(&self.made, || loom::sync::atomic::$name::new(self.initial))
            }

            pub fn load(&self, order: Ordering) -> $value {
                self.made().load(of_load(order))
            }

            pub fn store(&self, value: $value, order: Ordering) {
                self.made().store(value, of_store(order));
            }

            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.made().compare_exchange(current, new, of_both(success), of_load(failure))
            }

            $(
                pub fn $operation(&self, value: $value, order: Ordering) -> $value {
                    self.made().$operation(value, of_both(order))
                }
            )*
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.load(Ordering::Relaxed).fmt(f)
            }
        }
    };
}

atomic!(AtomicBool, bool, swap);
atomic!(AtomicUsize, usize, fetch_add, fetch_sub, fetch_max);
atomic!(AtomicU64, u64, fetch_add, fetch_sub, fetch_or);
