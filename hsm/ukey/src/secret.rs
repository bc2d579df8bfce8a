//! How PINs and codes come in: prompt, file or file descriptor. Never as an argument, which every user of the
//! machine can read.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use ukey::Error;
use zeroize::Zeroizing;

const SECRET_OCTETS_MAX: u16 = 4096;

/// Where a secret comes from.
pub(crate) enum Source {
    File(PathBuf),
    Descriptor(u32),
    Prompt,
}

impl Source {
    pub(crate) fn of(file: Option<PathBuf>, descriptor: Option<u32>) -> Self {
        match (file, descriptor) {
            (Some(file), _) => Self::File(file),
            (None, Some(descriptor)) => Self::Descriptor(descriptor),
            (None, None) => Self::Prompt,
        }
    }

    /// The secret, without the line's end. Its memory is wiped when it is dropped.
    pub(crate) fn read(&self, prompt: &str) -> Result<Zeroizing<String>, Error> {
        match self {
            Self::File(path) => read_file(path),
            // Linux and macOS name the descriptors of a process like this.
            Self::Descriptor(number) => read_file(Path::new(&format!("/dev/fd/{number}"))),
            Self::Prompt => rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(Error::Prompt),
        }
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, Error> {
    let failed = |error| Error::File { path: path.to_owned(), error };
    let file = std::fs::File::open(path).map_err(failed)?;
    // Its room is there from the beginning: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(usize::from(SECRET_OCTETS_MAX) + 1));
    file.take(u64::from(SECRET_OCTETS_MAX) + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() > usize::from(SECRET_OCTETS_MAX) {
        return Err(failed(std::io::Error::from(std::io::ErrorKind::FileTooLarge)));
    }
    let end = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(end);
    Ok(text)
}
