//! Work that may never come back: each piece runs on a thread of the pool's, and whoever asked waits for so long and no
//! longer. A thread whose module hangs is left to itself; when it comes back, it is used again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use crate::module::lock;

/// Threads that wait for work; more than that end.
const IDLE_MAX: usize = 64;

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const LATE: u8 = 2;
const DONE: u8 = 3;

/// Threads for calls that may hang.
#[derive(Default)]
pub(crate) struct Threads {
    idle: Mutex<Vec<Sender<Work>>>,
}

struct Work {
    run: Box<dyn FnOnce() + Send>,
    /// The thread's own, to be given back.
    again: Sender<Work>,
}

/// Nobody waits for the call any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// And what cannot be taken back will not be begun.
    NotBegun,
    /// What cannot be taken back was begun.
    Begun,
}

/// One call: whether it was begun, and whether somebody still waits for it.
#[derive(Clone, Default)]
pub(crate) struct Call(Arc<AtomicU8>);

impl Call {
    /// Right before what cannot be taken back. `false`: too late, it must not be done.
    pub(crate) fn begin(&self) -> bool {
        match self.0.compare_exchange(WAITING, BEGUN, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => true,
            Err(state) => state == BEGUN,
        }
    }

    /// The work has ended. Whether nobody waited for it any more.
    fn end(&self) -> bool {
        self.0.swap(DONE, Ordering::SeqCst) == LATE
    }

    /// Nobody waits any more; `None` when it ended at the last moment.
    fn give_up(&self) -> Option<Late> {
        let left =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| (state != DONE).then_some(LATE));
        left.ok().map(|state| if state == BEGUN { Late::Begun } else { Late::NotBegun })
    }
}

impl Threads {
    /// Does `work` and waits for at most `limit`. `late` is told 1 when a call does not come back in time, and -1 when it
    /// comes back after all.
    pub(crate) fn within<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        work: impl FnOnce(&Call) -> T + Send + 'static,
        late: &Arc<dyn Fn(i32) + Send + Sync>,
    ) -> Result<T, Late> {
        let (call, (give, take)) = (Call::default(), channel());
        let (its_call, its_late) = (call.clone(), Arc::clone(late));
        self.run(Box::new(move || {
            let result = work(&its_call);
            let nobody_waits = its_call.end();
            let _ = give.send(result);
            if nobody_waits {
                its_late(-1);
            }
        }));
        match take.recv_timeout(limit) {
            Ok(result) => return Ok(result),
            // The work panicked: as good as a module that never answers.
            Err(RecvTimeoutError::Disconnected) => return Err(call.give_up().unwrap_or(Late::NotBegun)),
            Err(RecvTimeoutError::Timeout) => late(1),
        }
        match call.give_up() {
            Some(given_up) => Err(given_up),
            None => {
                late(-1);
                take.recv().map_err(|_| Late::Begun)
            }
        }
    }

    fn run(self: &Arc<Self>, run: Box<dyn FnOnce() + Send>) {
        let idle = lock(&self.idle).pop();
        let again = idle.unwrap_or_else(|| self.start());
        // It cannot have ended: it ends when nobody holds its sender.
        let _ = again.clone().send(Work { run, again });
    }

    fn start(self: &Arc<Self>) -> Sender<Work> {
        let (give, take) = channel::<Work>();
        let threads = Arc::downgrade(self);
        std::thread::spawn(move || {
            while let Ok(Work { run, again }) = take.recv() {
                run();
                let Some(threads) = threads.upgrade() else { return };
                let mut idle = lock(&threads.idle);
                if idle.len() < IDLE_MAX {
                    idle.push(again);
                }
            }
        });
        give
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI32;

    use super::*;

    #[test]
    fn what_hangs_is_left_to_itself_and_does_not_begin_late() {
        let threads = Arc::new(Threads::default());
        let count = Arc::new(AtomicI32::new(0));
        let told = Arc::clone(&count);
        let late: Arc<dyn Fn(i32) + Send + Sync> = Arc::new(move |by| {
            told.fetch_add(by, Ordering::SeqCst);
        });
        let (release, released) = channel::<()>();
        let (tell, began) = channel();
        let limit = Duration::from_millis(20);
        let hangs = move |call: &Call| {
            let _ = released.recv();
            tell.send(call.begin()).unwrap();
        };
        assert_eq!(threads.within(limit, hangs, &late), Err(Late::NotBegun));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert_eq!(threads.within(Duration::from_secs(60), Call::begin, &late), Ok(true), "others go on");
        release.send(()).unwrap();
        assert!(!began.recv().unwrap(), "nobody waits for it: it must not begin");
        while count.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
        let (_never, forever) = channel::<()>();
        let begun = move |call: &Call| {
            call.begin();
            let _ = forever.recv();
        };
        assert_eq!(threads.within(limit, begun, &late), Err(Late::Begun));
    }
}
