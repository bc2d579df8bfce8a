//! What the documents show is what the programs do: each command in a code block has the options that it is shown with,
//! and each linked file exists.

use std::process::Command;

use crate::support::{program, root, text};

const PROGRAMS: [&str; 5] = ["ca-server", "ukey", "ca-audit", "portal", "test-gateway"];

fn documents() -> Vec<(String, String)> {
    let mut files = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    files.extend(std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
    files
        .into_iter()
        .map(|file| (file.display().to_string(), std::fs::read_to_string(&file).unwrap()))
        .collect()
}

#[test]
fn commands_have_the_options_that_are_shown() {
    let mut checked = 0;
    for (file, content) in documents() {
        // The shell's blocks: the text after each opening fence, up to the next fence.
        let blocks = content.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        for line in blocks.flat_map(str::lines) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(name) = words.first().filter(|name| PROGRAMS.contains(name)) else { continue };
            let plain = |word: &&&str| {
                !word.starts_with('-')
                    && word.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-')
            };
            let verbs: Vec<&str> = words[1..].iter().take_while(plain).copied().collect();
            let help = Command::new(program(name)).args(&verbs).arg("--help").output().unwrap();
            assert!(help.status.success(), "{file}: {line}\n{}", text(&help));
            for option in words.iter().filter(|word| word.starts_with("--")) {
                assert!(text(&help).contains(option), "{file}: {line}: there is no {option}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 12, "only {checked} commands were found: has the documents' form changed?");
}

#[test]
fn make_help_lists_what_readme_names() {
    let help = text(&Command::new("make").arg("help").current_dir(root()).output().unwrap());
    for target in ["run", "demo", "test", "bench", "lint", "fuzz", "help"] {
        assert!(help.contains(&format!("make {target} ")), "make {target} is missing:\n{help}");
    }
}

#[test]
fn links_lead_to_files() {
    for (file, content) in documents() {
        let folder = std::path::Path::new(&file).parent().unwrap();
        for link in content.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(link.starts_with("http") || folder.join(link).exists(), "{file}: {link} does not exist");
        }
    }
}
