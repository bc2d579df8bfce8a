//! The shape of the workspace (ARCHITECTURE.md §1) as a test: arrows, and where a third-party crate may stand.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate of ours may use of ours, outside tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("ca-audit", &[]),
    ("ca-core", &["ca-verifier"]),
    ("ca-server", &["ca-core", "ca-store", "ca-verifier", "hsm"]),
    ("ca-store", &["ca-core", "ca-verifier"]),
    ("ca-verifier", &[]),
    ("hsm", &[]),
    ("p11-fault", &[]),
    ("portal", &["ca-verifier"]),
    ("test-gateway", &[]),
    ("ukey", &["ca-core", "ca-verifier", "hsm"]),
];

/// Where a third-party crate may stand.
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["ca-server", "portal"]),
    ("cryptoki", &["hsm"]),
    ("cryptoki-sys", &["p11-fault"]),
    ("diesel", &["ca-store"]),
    ("rusqlite", &["portal"]),
    ("tokio", &["ca-server", "ca-store", "portal", "test-gateway", "ukey"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().unwrap();
    let normal = |package: &cargo_metadata::Package| {
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        normal.map(|dependency| dependency.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), normal(package))).collect()
}

#[test]
fn arrows_point_where_they_may() {
    let dependencies = dependencies();
    let ours: BTreeSet<&String> = dependencies.keys().collect();
    assert_eq!(ours.len(), ARROWS.len(), "a crate is missing in ARROWS: {ours:?}");
    for (name, allowed) in ARROWS {
        for used in dependencies[*name].iter().filter(|used| ours.contains(used)) {
            assert!(allowed.contains(&used.as_str()), "{name} may not depend on {used}");
        }
    }
}

#[test]
fn third_party_crates_stay_at_home() {
    for (name, used) in dependencies() {
        for (crate_, homes) in HOMES {
            assert!(
                !used.contains(*crate_) || homes.contains(&name.as_str()),
                "{crate_} may not stand in {name}"
            );
        }
    }
}

#[test]
fn only_the_store_asserts_that_an_intent_is_recorded() {
    for file in sources(&root()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let calls = text
            .lines()
            .filter(|line| line.contains("assert_recorded(") && !line.contains("fn assert_recorded"));
        let allowed = [
            "ca-server/store/src/",
            "ca-core/src/issuance/testing.rs",
            "ca-core/tests/",
            "ca-server/tests/all/workspace.rs",
        ];
        let in_tests = text
            .find("#[cfg(test)]")
            .is_some_and(|tests| text.find("assert_recorded(").is_some_and(|first| first > tests));
        let allowed =
            allowed.iter().any(|prefix| path.starts_with(prefix)) || path.ends_with("intent.rs") || in_tests;
        assert!(calls.count() == 0 || allowed, "{path} makes a RecordedIntent; only the store may");
    }
}

#[test]
fn files_are_small_and_say_what_lives_in_them() {
    for file in sources(&root()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().count();
        assert!(lines <= 600, "{}: {lines} lines; 600 at most", file.display());
        assert!(text.starts_with("//!"), "{} does not begin with //!", file.display());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "var" {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
