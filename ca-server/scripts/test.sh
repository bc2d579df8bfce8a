#!/usr/bin/env bash
# Every test. cargo-nextest runs each in a process of its own, which PKCS#11 modules need.
set -euo pipefail
if ! cargo nextest --version >/dev/null 2>&1; then
    cargo install --locked cargo-nextest
fi
# Programs that have no tests of their own beside their sources are started by others' tests.
cargo build --workspace --locked --bins
# Most of a test is waiting, for a signature, a restart, a CRL: more of them at once than there are cores.
cargo nextest run --workspace --locked --test-threads "$(($(nproc) * 2))" "$@"
cargo test --workspace --locked --doc -q
