#!/usr/bin/env bash
# Formatting, clippy with warnings as errors, licences and sources of dependencies.
set -euo pipefail
cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -q -- -D warnings
cargo deny --version >/dev/null 2>&1 || cargo install --locked -q cargo-deny
cargo deny --offline check bans licenses sources
