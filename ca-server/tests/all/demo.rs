//! `make demo`, line by line: the script that people run, with the programs of this build.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::{program, root, temporary, text, wait};

#[test]
fn each_step_shows_its_artefact() {
    let mut command = Command::new(root().join("ca-server/scripts/demo.sh"));
    command.env("QIANYIN_BIN", program("ca-server").parent().unwrap());
    command.env_remove("SOFTHSM2_CONF").env_remove("DATABASE_URL");
    let output = command.output().unwrap();
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
    let steps = [
        ("[01] key ceremony", "4 keys born on 2 tokens, read back as never extractable; root "),
        ("[02] staff", "each a key on an own token"),
        ("[03] enroll", "unit 91320104000000019U"),
        ("[04] apply", "gate open"),
        ("[05] decide", "the clerk who entered it was refused"),
        ("[06] pay", "¥200.00"),
        ("[07] issue", "key pair born on the token"),
        ("[08] hand over", "on hold until the holder activates"),
        ("[09] portal", "403 not-activated"),
        ("[10] activate", "initial PIN replaced"),
        ("[11] portal", "200 91320104000000019U"),
        ("[12] openssl", "chain OK, status good"),
        ("[13] renew", "paid days after the old end, none lost"),
        ("[14] revoke", "403 revoked"),
        ("[15] audit", "finds nothing wrong"),
    ];
    let mut rest = printed.as_str();
    for (step, proof) in steps {
        let (_, after) = rest.split_once(step).unwrap_or_else(|| panic!("{step} is missing:\n{printed}"));
        let own = after.split("\n[").next().unwrap();
        assert!(own.contains(proof), "{step} does not show {proof}:\n{printed}");
        rest = after;
    }
    assert!(rest.trim_end().ends_with("OK"), "{printed}");
    let after_revoke = printed.split("is refused ").nth(1).unwrap();
    let millis: u64 = after_revoke.split(' ').next().unwrap().parse().unwrap();
    assert!(millis <= 5000, "refused only after {millis} ms");
}

/// `make run`: the first run makes the demonstration, the next ones keep it, and one at a time.
#[test]
fn a_second_run_keeps_the_data() {
    let dir = temporary("run");
    let (mut first, printed) = run(&dir, "first");
    assert!(printed.contains("接下来试试") && printed.contains("[11] portal"), "{printed}");
    let files =
        |names: &[&str]| names.iter().map(|name| std::fs::read(dir.join(name)).unwrap()).collect::<Vec<_>>();
    let promised =
        ["root.pem", "issuing.pem", "chain.pem", "unit.pem", "portal.pem", "ports.env", "token.env"];
    let made = files(&promised);
    let twice = command(&dir).output().unwrap();
    assert_eq!(twice.status.code(), Some(1));
    assert!(text(&twice).contains("已在运行"), "{}", text(&twice));
    stop(&mut first);

    let (mut second, printed) = run(&dir, "second");
    assert!(!printed.contains("[01]"), "nothing is made again: {printed}");
    assert_eq!(files(&promised), made);
    let mut login = Command::new(root().join("ca-server/scripts/login.sh"));
    login.env("QIANYIN_BIN", program("ca-server").parent().unwrap()).env("QIANYIN_DEMO", &dir);
    let login = login.env_remove("SOFTHSM2_CONF").output().unwrap();
    assert!(text(&login).contains("\"accepted\""), "{}", text(&login));
    stop(&mut second);
    std::fs::remove_dir_all(dir).unwrap();
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(root().join("ca-server/scripts/run.sh"));
    command.env("QIANYIN_BIN", program("ca-server").parent().unwrap()).env("QIANYIN_DEMO", dir);
    command.env_remove("SOFTHSM2_CONF").env_remove("DATABASE_URL").env_remove("QIANYIN_CONFIG");
    command
}

/// Starts it and waits until it says what to try next.
fn run(dir: &Path, name: &str) -> (Child, String) {
    let log = std::env::temp_dir().join(format!("qianyin-{name}-{}.log", std::process::id()));
    let file = std::fs::File::create(&log).unwrap();
    let child = command(dir).stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null()).spawn();
    let mut printed = String::new();
    wait(60, "make run", || {
        printed = std::fs::read_to_string(&log).unwrap();
        printed.contains("log show")
    });
    std::fs::remove_file(log).unwrap();
    (child.unwrap(), printed)
}

/// As Ctrl-C does: the script stops its servers and ends.
fn stop(child: &mut Child) {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    child.wait().unwrap();
}
