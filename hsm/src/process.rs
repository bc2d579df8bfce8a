//! What the process that holds PINs tells nobody: no memory of it is written to a disk, none is read by other programs
//! of the same user, and a PIN that came from a file is wiped with its string.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use zeroize::Zeroizing;

const SECRET_OCTETS_MAX: u16 = 4096;

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

/// Reads a one-line secret, such as a PIN, without its line end. Its memory is wiped when it is dropped.
///
/// # Errors
/// What the system says; `FileTooLarge` above 4,096 octets, `InvalidData` when it is not UTF-8.
pub fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    // Its room is there from the beginning: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(usize::from(SECRET_OCTETS_MAX) + 1));
    File::open(path)?.take(u64::from(SECRET_OCTETS_MAX) + 1).read_to_string(&mut text)?;
    if text.len() > usize::from(SECRET_OCTETS_MAX) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}
