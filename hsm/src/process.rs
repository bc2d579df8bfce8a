//! What the process that holds PINs tells nobody: no memory of it is written to a disk, and none is read by other programs
//! of the same user.

use std::io;

/// No core file, and no look into this process's memory or environment but root's (`RLIMIT_CORE` 0 and, on Linux,
/// `PR_SET_DUMPABLE` 0: where the kernel hands core files to a program, it asks no limit). To be called before the first
/// PIN is read. Programs that this one starts keep the limit.
///
/// # Errors
/// What the system says; then no PIN may be read.
#[cfg(unix)]
pub fn keep_memory_private() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Nothing to be done: the system writes no core files.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn keep_memory_private() -> io::Result<()> {
    Ok(())
}
