//! Kill points for the crash tests. Without the feature `failpoints` every one is empty.
//!
//! `QIANYIN_CRASH=site:before|after[:n]` kills the process with SIGKILL at the nth passing of that point (the first
//! when n is left out): nothing is unwound, flushed or closed, as when the power goes.

/// A named point outside the store, such as `sign:before`: dies there when `QIANYIN_CRASH` says so.
pub fn kill_point(name: &str) {
    armed::pass(name);
}

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!(
    "the feature failpoints lets a variable of the environment kill the CA: never in a release build"
);

#[cfg(not(feature = "failpoints"))]
mod armed {
    pub(super) fn pass(_: &str) {}
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    };

    struct Wish {
        point: String,
        passing: u64,
    }

    static WISH: LazyLock<Option<Wish>> = LazyLock::new(|| read(&std::env::var("QIANYIN_CRASH").ok()?));
    static PASSED: AtomicU64 = AtomicU64::new(0);

    fn read(text: &str) -> Option<Wish> {
        match text.rsplit_once(':') {
            Some((point, number)) if !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) => {
                Some(Wish { point: point.to_owned(), passing: number.parse().ok()? })
            }
            Some(_) => Some(Wish { point: text.to_owned(), passing: 1 }),
            None => None,
        }
    }

    pub(super) fn pass(name: &str) {
        let Some(wish) = WISH.as_ref().filter(|wish| wish.point == name) else { return };
        if PASSED.fetch_add(1, Ordering::SeqCst) + 1 == wish.passing {
            die();
        }
    }

    fn die() -> ! {
        let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // Only a kernel that refuses to kill its caller gets here; going on would make the test lie.
        unreachable!("SIGKILL to itself: {killed:?}")
    }
}
