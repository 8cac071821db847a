//! Models of the helper thread, whose timer runs out before, while or after it is stopped.

use super::helper::Helper;
// What has really happened, for the models' eyes alone.
use std::real::sync::Arc;
use std::real::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::Mutex;
use std::time::{Duration, timers_run_out};
use std::{model, thread};

const SECOND: Duration = Duration::from_secs(1);

/// Guards against work that goes on after the helper was dropped.
pub fn no_work_after_the_drop() {
    model::check("no_work_after_the_drop", None, || {
        timers_run_out(2);
        let [working, stopped] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let of_work = (Arc::clone(&working), Arc::clone(&stopped));
        let work = move || {
            let (working, stopped) = &of_work;
            assert!(!stopped.load(SeqCst), "work after the drop");
            working.store(true, SeqCst);
            thread::yield_now();
            working.store(false, SeqCst);
        };
        let helper = Helper::start(SECOND, SECOND, work).expect("a thread");
        drop(helper);
        stopped.store(true, SeqCst);
        assert!(!working.load(SeqCst), "work beyond the drop");
    });
}

/// Guards against a thread that waits for itself: the work drops its own helper. It may do so before
/// the helper is where the work looks for it.
pub fn work_may_stop_its_helper() {
    model::check("work_may_stop_its_helper", None, || {
        timers_run_out(2);
        let place = Arc::new(Mutex::new(None::<Helper>));
        let stopped = Arc::new(AtomicBool::new(false));
        let of_work = (Arc::clone(&place), Arc::clone(&stopped));
        let work = move || {
            let (place, stopped) = &of_work;
            assert!(!stopped.load(SeqCst), "work after the drop");
            let helper = place.lock().expect("no panic").take();
            stopped.store(helper.is_some(), SeqCst);
            drop(helper);
        };
        let helper = Helper::start(SECOND, SECOND, work).expect("a thread");
        *place.lock().expect("no panic") = Some(helper);
        let helper = place.lock().expect("no panic").take();
        drop(helper);
    });
}
