//! A PIN is where it belongs and nowhere else: while the token is being given it, no process of the machine has it on its
//! command line or in its environment; the program's trace has it never; and a program that dies then leaves no memory behind.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    fs,
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use hsm::testing::{SoftHsm, in_softhsm};

use common::program::{secret, ukey};

const PIN: &str = "84620917";
const NEW: &str = "17026489";
/// Whatever may be written, is written: the program itself must forbid it.
const UNLIMITED: &str = "ulimit -S -c \"$(ulimit -H -c)\"; exec \"$@\"";

/// As a child whose token does not answer to the PIN until `release` is there.
fn held(softhsm: &SoftHsm, release: &Path, arguments: &[&str]) -> Command {
    let program = ukey(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", UNLIMITED, "sh"]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let calls = softhsm.dir().join("calls");
    let _ = fs::remove_file(&calls);
    command
        .env("PKCS11_MODULE", p11_fault::shared_library().unwrap())
        .env("P11_FAULT_MODULE", SoftHsm::module_path())
        .env("P11_FAULT", "C_Login:1:before:hang")
        .env("P11_FAULT_CALLS", calls)
        .env("P11_FAULT_RELEASE", release)
        .env("RUST_LOG", "trace")
        .current_dir(softhsm.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn wait_for_login(softhsm: &SoftHsm, child: &mut Child) {
    let until = Instant::now() + Duration::from_secs(30);
    while !fs::read_to_string(softhsm.dir().join("calls")).unwrap_or_default().contains("C_Login 1") {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it logged in");
        assert!(Instant::now() < until, "it did not log in");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every process of the machine that can be looked at. Gives how many.
fn search_all_processes() -> usize {
    let mut seen = 0;
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().parse::<u32>().is_err() {
            continue;
        }
        for file in ["cmdline", "environ"] {
            // Another user's, or one that has just ended.
            let Ok(octets) = fs::read(entry.path().join(file)) else { continue };
            seen += 1;
            for pin in [PIN, NEW] {
                let found = octets.windows(pin.len()).any(|part| part == pin.as_bytes());
                assert!(!found, "a PIN in {}/{file}", entry.path().display());
            }
        }
    }
    seen
}

fn core_limit(child: &Child) -> String {
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    line.split_whitespace().skip(4).take(2).collect::<Vec<_>>().join(" ")
}

fn cores(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("core")).count()
}

#[test]
fn a_pin_is_in_no_process_list_environment_or_trace() {
    in_softhsm("a_pin_is_in_no_process_list_environment_or_trace", |softhsm| {
        let _ = softhsm.init_token("unit", "so-pin-1", PIN);
        let (old, new) = (secret(softhsm, "old", PIN), secret(softhsm, "new", NEW));
        let release = softhsm.dir().join("release");
        let change = ["pin", "change", "--token", "unit"];
        // The PIN from a file, then the other way round from a descriptor that is a pipe.
        for (arguments, typed) in [
            ([&change[..], &["--pin-file", &old, "--new-pin-file", &new]].concat(), ""),
            ([&change[..], &["--pin-fd", "0", "--new-pin-file", &old]].concat(), NEW),
        ] {
            let _ = fs::remove_file(&release);
            let mut child = held(softhsm, &release, &arguments).spawn().unwrap();
            child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
            wait_for_login(softhsm, &mut child);
            assert!(search_all_processes() > 1);
            assert_eq!(core_limit(&child), "0 0");
            fs::write(&release, "").unwrap();
            let output = child.wait_with_output().unwrap();
            let text = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(output.status.success(), "{text}");
            assert!(!text.contains(PIN) && !text.contains(NEW), "{text}");
        }
    });
}

#[test]
fn a_pin_that_is_typed_is_in_no_process_list_or_screen() {
    in_softhsm("a_pin_that_is_typed_is_in_no_process_list_or_screen", |softhsm| {
        let _ = softhsm.init_token("unit", "so-pin-1", PIN);
        let release = softhsm.dir().join("release");
        let line = format!("{} --lang en pin change --token unit", env!("CARGO_BIN_EXE_ukey"));
        let mut command = held(softhsm, &release, &[]);
        let mut terminal = Command::new("script");
        terminal.args(["-qfec", &line, "/dev/null"]).current_dir(softhsm.dir());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => terminal.env(name, value),
                None => terminal.env_remove(name),
            };
        }
        command = terminal;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut shown = String::new();
        let mut answer = |question: &str, text: &str, shown: &mut String| {
            let (mut buffer, start) = ([0; 4096], shown.len());
            while !shown[start..].contains(question) {
                let count = screen.read(&mut buffer).unwrap();
                assert!(count > 0, "{question} did not come: {shown}");
                shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            // What is typed before the program has switched the echo off would be shown by the terminal.
            std::thread::sleep(Duration::from_millis(200));
            keys.write_all(format!("{text}\n").as_bytes()).unwrap();
        };
        answer("PIN", PIN, &mut shown);
        answer("PIN", NEW, &mut shown);
        answer("again", NEW, &mut shown);
        wait_for_login(softhsm, &mut child);
        assert!(search_all_processes() > 1);
        fs::write(&release, "").unwrap();
        screen.read_to_string(&mut shown).unwrap();
        assert!(child.wait().unwrap().success(), "{shown}");
        assert!(!shown.contains(PIN) && !shown.contains(NEW), "{shown}");
    });
}

#[test]
fn a_program_that_dies_with_a_pin_leaves_no_core_file() {
    in_softhsm("a_program_that_dies_with_a_pin_leaves_no_core_file", |softhsm| {
        let _ = softhsm.init_token("unit", "so-pin-1", PIN);
        let (old, new) = (secret(softhsm, "old", PIN), secret(softhsm, "new", NEW));
        let arguments = ["pin", "change", "--token", "unit", "--pin-file", &old, "--new-pin-file", &new];
        for (signal, number) in [("-ABRT", 6), ("-QUIT", 3)] {
            // It died before the PIN was given to the token, so the next one begins alike.
            let mut child = held(softhsm, &softhsm.dir().join("release"), &arguments).spawn().unwrap();
            wait_for_login(softhsm, &mut child);
            assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
            let status = child.wait().unwrap();
            assert_eq!((status.signal(), status.core_dumped()), (Some(number), false));
            assert_eq!(cores(softhsm.dir()), 0);
        }
        // Where core files are written into the working folder, a program that forbids nothing leaves one.
        let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
        let mut command = Command::new("sh");
        command.args(["-c", UNLIMITED, "sh", "sh", "-c", "ulimit -c; kill -ABRT $$"]);
        let output = command.current_dir(softhsm.dir()).output().unwrap();
        if pattern.trim() == "core" && output.stdout.trim_ascii() != b"0" {
            assert!(output.status.core_dumped() && cores(softhsm.dir()) == 1, "{output:?}");
        }
    });
}
