//! `make demo`, line by line: the script that people run, with the programs of this build.

use std::process::Command;

use crate::support::{program, root, text};

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
