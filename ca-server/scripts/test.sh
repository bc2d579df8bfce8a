#!/usr/bin/env bash
# Every test. cargo-nextest runs each in a process of its own, which PKCS#11 modules need.
set -euo pipefail
if ! cargo nextest --version >/dev/null 2>&1; then
    cargo install --locked cargo-nextest
fi
# pkilint, the outside linter, in an environment of its own; the version is what the expectations were read with.
top=$(cd "$(dirname "$0")/../.." && pwd)
if [ ! -x "$top/target/pkilint/bin/lint_ocsp_response" ]; then
    rm -rf "$top/target/pkilint"
    python3 -m venv "$top/target/pkilint"
    "$top/target/pkilint/bin/pip" install -q --disable-pip-version-check pkilint==0.13.3
fi
cargo nextest run --workspace --locked "$@"
cargo test --workspace --locked --doc -q
