//! How PINs and codes come in: prompt, file or file descriptor. Never as an argument, which every user of the
//! machine can read.

use std::path::{Path, PathBuf};

use ukey::Error;
use zeroize::Zeroizing;

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
    hsm::read_secret(path).map_err(|error| Error::File { path: path.to_owned(), error })
}
