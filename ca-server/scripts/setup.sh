#!/usr/bin/env bash
# Installs the Debian packages that building, running and testing need; silent when all are there.
set -euo pipefail
packages=(gcc pkg-config libpq-dev libssl-dev softhsm2 opensc openssl libengine-pkcs11-openssl curl jq postgresql nginx-light apache2-bin wrk fonts-wqy-microhei poppler-utils python3 python3-venv
    strongswan-pki libstrongswan-standard-plugins libstrongswan-extra-plugins)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing: ${missing[*]}"
    sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    # Debian would start servers that nobody asked for: tests start their own.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
command -v cargo >/dev/null || { echo "Rust is needed: https://rustup.rs" >&2; exit 1; }
