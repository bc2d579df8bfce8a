#!/usr/bin/env bash
# pkilint, a second opinion on what we issue, in a folder of its own; once, silent when it is there. Its version is
# fixed: findings change with it.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
wanted="pkilint==0.13.3" folder="$top/target/pkilint"
[ "$(cat "$folder/installed" 2>/dev/null)" != "$wanted" ] || exit 0
echo "installing: $wanted"
rm -rf "$folder"
# Debian's own Python: it is the one that python3-venv belongs to.
/usr/bin/python3 -m venv "$folder"
"$folder/bin/pip" install -q --disable-pip-version-check "$wanted"
echo "$wanted" >"$folder/installed"
