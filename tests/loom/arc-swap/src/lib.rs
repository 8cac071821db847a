//! `arc_swap` as the models see it: the methods that graven calls, behind a lock. What is checked is
//! graven, not arc_swap, which loom can't follow. A guard counts as an `Arc` here; a real one does so
//! from the swap on at the latest, which is all that graven asks for.

extern crate modelled_std as std;

use std::ops::Deref;
use std::sync::{Arc, Mutex};

pub type ArcSwap<T> = ArcSwapAny<Arc<T>>;
pub type ArcSwapOption<T> = ArcSwapAny<Option<Arc<T>>>;

#[derive(Debug)]
pub struct ArcSwapAny<A>(Mutex<A>);

#[derive(Debug)]
pub struct Guard<A>(A);

impl<A: Clone> ArcSwapAny<A> {
    pub fn load(&self) -> Guard<A> {
        Guard(self.load_full())
    }

    pub fn load_full(&self) -> A {
        self.0.lock().expect("no thread panics").clone()
    }

    pub fn store(&self, new: A) {
        drop(self.swap(new));
    }

    pub fn swap(&self, new: A) -> A {
        std::mem::replace(&mut *self.0.lock().expect("no thread panics"), new)
    }
}

impl<T> ArcSwapAny<Arc<T>> {
    pub fn from_pointee(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }
}

impl<T> ArcSwapAny<Option<Arc<T>>> {
    #[must_use]
    pub fn empty() -> Self {
        Self(Mutex::new(None))
    }
}

impl<A> Deref for Guard<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.0
    }
}
