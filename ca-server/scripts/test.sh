#!/usr/bin/env bash
# Every test. cargo-nextest runs each in a process of its own, which PKCS#11 modules need.
set -euo pipefail
if ! cargo nextest --version >/dev/null 2>&1; then
    cargo install --locked cargo-nextest
fi
cargo nextest run --workspace --locked "$@"
cargo test --workspace --locked --doc -q
