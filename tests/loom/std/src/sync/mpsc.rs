//! A channel that nothing is sent through: its end is the message. loom's channels know no time-out.

use super::{Condvar, Mutex};
use std::marker::PhantomData;
use std::sync::Arc;
pub use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

#[derive(Debug)]
struct Channel {
    open: Mutex<bool>,
    closed: Condvar,
}

#[derive(Debug)]
pub struct Sender<T>(Arc<Channel>, PhantomData<fn(T)>);

#[derive(Debug)]
pub struct Receiver<T>(Arc<Channel>, PhantomData<fn() -> T>);

pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel { open: Mutex::new(true), closed: Condvar::new() });
    (Sender(Arc::clone(&channel), PhantomData), Receiver(channel, PhantomData))
}

impl<T> Receiver<T> {
    /// Time runs out as often as the model says, which may be before or after anything that another
    /// thread does.
    pub fn recv_timeout(&self, _: Duration) -> Result<T, RecvTimeoutError> {
        let mut open = self.0.open.lock().expect("no thread panics");
        if *open && crate::time::timer_runs_out() {
            return Err(RecvTimeoutError::Timeout);
        }
        while *open {
            open = self.0.closed.wait(open).expect("no thread panics");
        }
        Err(RecvTimeoutError::Disconnected)
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // loom's state is gone when a failed model unwinds.
        if !std::thread::panicking() {
            *self.0.open.lock().expect("no thread panics") = false;
            self.0.closed.notify_all();
        }
    }
}
