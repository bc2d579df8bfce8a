//! Reads the folder `policies/` for ca-core, which checks every value.

use std::{collections::BTreeMap, path::Path};

use ca_core::Policies;

use crate::problem::Failure;

/// Larger files are no policies.
const FILE_MAX: u64 = 1024 * 1024;

/// Reads and checks all of it; every error is told, with file and line.
pub(crate) fn load(folder: &Path) -> Result<Policies, Failure> {
    let mut files = BTreeMap::new();
    collect(folder, folder, &mut files)?;
    Policies::parse(&files).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::Policies(lines.join("\n"))
    })
}

fn collect(base: &Path, folder: &Path, files: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let failed = |error| Failure::file(folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            collect(base, &path, files)?;
            continue;
        }
        if !path.extension().is_some_and(|extension| extension == "toml" || extension == "txt") {
            continue;
        }
        let failed = |error| Failure::file(&path, error);
        if std::fs::metadata(&path).map_err(failed)?.len() > FILE_MAX {
            return Err(Failure::Config { file: path, detail: format!("larger than {FILE_MAX} octets") });
        }
        let text = std::fs::read_to_string(&path).map_err(failed)?;
        let name = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned();
        files.insert(name, text);
    }
    Ok(())
}
