#!/usr/bin/env bash
# Logs in to the demonstration's portal with the U-key: curl, OpenSSL's PKCS#11 engine, SoftHSM2.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
BIN="${QIANYIN_BIN:-$top/target/release}" DIR="${QIANYIN_DEMO:-$top/var/demo}"
. "$top/ca-server/scripts/lib.sh"
. "$DIR/ports.env"; . "$DIR/token.env"; UNIT_LABEL=$TOKEN_LABEL UNIT_KEY=$KEY_LABEL
portal_login
