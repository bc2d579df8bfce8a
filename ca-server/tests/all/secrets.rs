//! The HSM's PIN is in the running server's memory, and nowhere else: not on a command line, not in an environment, not in
//! the trace, and not in a core file of a server that dies.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

use crate::support::{Ca, Database, curl, wait};

#[test]
fn a_server_that_dies_leaves_no_pin_behind() {
    let ca = Ca::new(Database::Sqlite);
    let pin = std::fs::read_to_string(ca.path("hsm/qianyin-issuing.pin")).unwrap().trim().to_owned();
    assert!(pin.len() >= 8);
    let program = ca.ca_server_command(&["serve"]);
    let mut command = Command::new("sh");
    // Whatever may be written, is written: the server itself must forbid it.
    command.args(["-c", "ulimit -S -c \"$(ulimit -H -c)\"; exec \"$@\"", "sh"]);
    command.arg(program.get_program()).args(program.get_args()).current_dir(&ca.dir).env("RUST_LOG", "trace");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let log = std::fs::File::create(ca.dir.join("trace.log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut server = command.spawn().unwrap();
    let url = format!("http://{}/readyz", ca.http);
    wait(60, "the server", || curl(&["-fsS", &url]).status.success());

    let process = format!("/proc/{}", server.id());
    let read = |file: &str| std::fs::read(format!("{process}/{file}")).unwrap_or_default();
    let has = |octets: &[u8]| octets.windows(pin.len()).any(|part| part == pin.as_bytes());
    assert!(!read("cmdline").is_empty());
    assert!(!has(&read("cmdline")) && !has(&read("environ")));
    let limits = String::from_utf8(read("limits")).unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(limit.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);

    assert!(Command::new("kill").args(["-ABRT", &server.id().to_string()]).status().unwrap().success());
    let status = server.wait().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    let names = std::fs::read_dir(&ca.dir).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("core")).count(), 0);
    let trace = std::fs::read(ca.dir.join("trace.log")).unwrap();
    assert!(trace.len() > 1000 && !has(&trace));
}
