//! Work that may never come back: each piece runs on a thread of the pool's, and whoever asked waits for so long and no
//! longer. A thread whose module hangs is left to itself; when it comes back, it is used again. At the end all others are
//! waited for: libraries below the module clean up when the process ends, and a thread that ends meanwhile would crash in them.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::module::lock;

/// Threads that wait for work; more than that end.
const IDLE_MAX: usize = 64;
/// How long calls under way are waited for at the end.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Does `work` on a thread of its own and waits for at most `limit`. `None`: it goes on by itself, whoever asked does not.
pub fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (give, take) = channel();
    let thread = thread::spawn(move || give.send(work()));
    let result = match take.recv_timeout(limit) {
        Ok(result) => Some(result),
        Err(RecvTimeoutError::Timeout) => return None,
        Err(RecvTimeoutError::Disconnected) => None,
    };
    // It has nothing left to do but its destructors, unless it panicked.
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
    result
}

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const LATE: u8 = 2;
const DONE: u8 = 3;

/// Threads for calls that may hang.
#[derive(Default)]
pub(crate) struct Threads(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A thread has ended its work.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Sender<Work>>,
    all: Vec<JoinHandle<()>>,
    busy: usize,
    closed: bool,
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
        &self,
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

    fn run(&self, run: Box<dyn FnOnce() + Send>) {
        let again = {
            let mut state = lock(&self.0.state);
            state.busy += 1;
            state.idle.pop().unwrap_or_else(|| {
                let (again, thread) = start(Arc::clone(&self.0));
                state.all.retain(|thread| !thread.is_finished());
                state.all.push(thread);
                again
            })
        };
        // It cannot have ended: it ends when nobody holds its sender.
        let _ = again.clone().send(Work { run, again });
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.closed = true;
        state.idle.clear();
        let waited = self.0.ended.wait_timeout_while(state, END_WITHIN, |state| state.busy > 0);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.busy > 0 {
            return;
        }
        let all = std::mem::take(&mut state.all);
        drop(state);
        // Whoever drops this may be one of them: what it called owned the last of it.
        for thread in all.into_iter().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

fn start(shared: Arc<Shared>) -> (Sender<Work>, JoinHandle<()>) {
    let (give, take) = channel::<Work>();
    let thread = thread::spawn(move || {
        while let Ok(Work { run, again }) = take.recv() {
            let busy = Busy(&shared);
            run();
            drop(busy);
            let mut state = lock(&shared.state);
            if !state.closed && state.idle.len() < IDLE_MAX {
                state.idle.push(again);
            }
        }
    });
    (give, thread)
}

/// Also when the work panics.
struct Busy<'a>(&'a Shared);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).busy -= 1;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI32;

    use super::*;

    #[test]
    fn what_hangs_is_left_to_itself_and_does_not_begin_late() {
        let threads = Threads::default();
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

    #[test]
    fn whoever_asks_waits_no_longer_than_the_limit() {
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        let (release, released) = channel::<()>();
        let (tell, ended) = channel();
        let late = within(Duration::from_millis(10), move || {
            let _ = released.recv();
            tell.send(()).unwrap();
        });
        assert_eq!(late, None);
        release.send(()).unwrap();
        ended.recv().unwrap();
        let panic = std::panic::catch_unwind(|| within(Duration::from_secs(60), || panic!("seen")));
        assert!(panic.is_err(), "not taken for a call that hangs");
    }

    /// What is over is waited for to the last destructor, and what hangs is not waited for without end.
    #[test]
    fn threads_have_ended_when_the_pool_has() {
        struct Slow(Sender<()>);
        impl Drop for Slow {
            fn drop(&mut self) {
                thread::sleep(Duration::from_millis(50));
                self.0.send(()).unwrap();
            }
        }
        thread_local!(static KEPT: std::cell::RefCell<Vec<Slow>> = const { std::cell::RefCell::new(Vec::new()) });
        let late: Arc<dyn Fn(i32) + Send + Sync> = Arc::new(|_| {});
        let (tell, ended) = channel();
        let threads = Threads::default();
        let work = move |_: &Call| KEPT.with(|kept| kept.borrow_mut().push(Slow(tell)));
        threads.within(Duration::from_secs(60), work, &late).unwrap();
        drop(threads);
        assert_eq!(ended.try_recv(), Ok(()), "its thread's destructors have run");

        let threads = Threads::default();
        let (_never, forever) = channel::<()>();
        let hangs = move |_: &Call| forever.recv().is_ok();
        assert!(threads.within(Duration::from_millis(1), hangs, &late).is_err());
        drop(threads);
    }
}
