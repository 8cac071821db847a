//! Runs a model in every order of its atomic operations.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The number of this execution, among those of all models of this process.
static EXECUTION: AtomicU64 = AtomicU64::new(0);

/// Models run one at a time: graven's statics, which they share, belong to one execution.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) fn execution() -> u64 {
    EXECUTION.load(Relaxed)
}

/// Runs a model in every order, or in those with at most so many preemptions: switches from a thread
/// that could go on. Prints how many orders there were.
pub fn check(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let start = std::time::Instant::now();
    let orders = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_threads = loom::MAX_THREADS;
    builder.check({
        let orders = Arc::clone(&orders);
        move || {
            EXECUTION.fetch_add(1, Relaxed);
            orders.fetch_add(1, Relaxed);
            crate::time::start();
            model();
        }
    });
    let orders = orders.load(Relaxed);
    let bound = preemptions.map_or("all".into(), |most| format!("at most {most} preemptions"));
    println!("{name}: {orders} orders, {bound}, {:.1} s", start.elapsed().as_secs_f64());
}
