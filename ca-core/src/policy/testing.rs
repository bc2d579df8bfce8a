//! The repository's policies, for tests.

use std::collections::BTreeMap;
use std::path::Path;

use super::{KeyRules, Policies, PolicyError};

pub(crate) fn files() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut files = BTreeMap::new();
    for folder in ["", "profiles/"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = format!("{folder}{}", entry.file_name().to_str().unwrap());
                files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    files
}

pub(crate) fn policies() -> Policies {
    Policies::parse(&files()).unwrap()
}

pub(crate) fn key_rules() -> KeyRules {
    policies().keys().clone()
}

/// Changes one file; the old text must be there.
pub(crate) fn replace(files: &mut BTreeMap<String, String>, file: &str, old: &str, new: &str) {
    let text = files.get_mut(file).unwrap();
    assert!(text.contains(old), "{file} does not contain {old}");
    *text = text.replacen(old, new, 1);
}

/// The errors after one change, as they are shown.
pub(crate) fn errors_after(file: &str, old: &str, new: &str) -> Vec<String> {
    let mut files = files();
    replace(&mut files, file, old, new);
    match Policies::parse(&files) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(PolicyError::to_string).collect(),
    }
}
