//! `portal`: the reference portal as a program. Exit codes: 0 done, 1 failed, 2 usage.

use std::process::ExitCode;

fn main() -> ExitCode {
    portal::run()
}
