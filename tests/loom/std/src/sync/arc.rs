//! `Arc` with a count that loom knows. loom's own has no `strong_count` and holds no `dyn Fn`.

use super::atomic::fence;
use loom::sync::atomic::AtomicUsize;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc as Shared;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The value is in a real `Arc`, which drops it; the count is loom's, with the orderings of the real
/// one. The two always agree: no other thread runs between a change of the count and that of the
/// real one.
pub struct Arc<T: ?Sized> {
    count: Shared<AtomicUsize>,
    value: Shared<T>,
}

/// What an `Arc<T>` is made of: a `T`, or a function where `T` is `dyn Fn`. The real `Arc` becomes
/// one of a trait object by a coercion, which a type of one's own cannot have.
pub trait Counted<T: ?Sized> {
    fn counted(self) -> Shared<T>;
}

impl<T> Counted<T> for T {
    fn counted(self) -> Shared<T> {
        Shared::new(self)
    }
}

impl<A, F: Fn(&A) + Send + Sync + 'static> Counted<dyn Fn(&A) + Send + Sync> for F {
    fn counted(self) -> Shared<dyn Fn(&A) + Send + Sync> {
        Shared::new(self)
    }
}

impl<T: ?Sized> Arc<T> {
    pub fn new(value: impl Counted<T>) -> Self {
        Self { count: Shared::new(AtomicUsize::new(1)), value: value.counted() }
    }

    #[must_use]
    pub fn strong_count(this: &Self) -> usize {
        this.count.load(Relaxed)
    }
}

impl<T: ?Sized> Clone for Arc<T> {
    fn clone(&self) -> Self {
        self.count.fetch_add(1, Relaxed);
        Self { count: Shared::clone(&self.count), value: Shared::clone(&self.value) }
    }
}

impl<T: ?Sized> Drop for Arc<T> {
    fn drop(&mut self) {
        // loom's state is gone when a failed model unwinds.
        if !std::thread::panicking() && self.count.fetch_sub(1, Release) == 1 {
            fence(Acquire);
        }
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
