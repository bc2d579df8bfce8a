#!/bin/sh
# Makes the certification requests of this folder with OpenSSL. Keys are made anew and thrown away.
set -eu
export LC_ALL=C
cd "$(dirname "$0")"
keys=$(mktemp -d)
trap 'rm -rf "$keys"' EXIT

ec() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:"$1" -out "$keys/$2" 2>/dev/null; }
rsa() { openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:"$1" -pkeyopt rsa_keygen_pubexp:"$2" -out "$keys/$3" 2>/dev/null; }
# A configuration of its own, so that the system's extensions do not come in.
printf '[req]\ndistinguished_name = dn\n[dn]\n' > "$keys/openssl.cnf"
request() { openssl req -new -config "$keys/openssl.cnf" -outform DER "$@"; }

ec P-256 p256.pem
ec P-384 p384.pem
rsa 1024 65537 rsa1024.pem
rsa 2048 65537 rsa2048.pem
rsa 3072 65537 rsa3072.pem
rsa 2048 3 rsa-e3.pem
openssl genpkey -algorithm ED25519 -out "$keys/ed25519.pem"

# Good ones: subject CN=attempt.
request -key "$keys/p256.pem" -sha256 -subj /CN=attempt -out good-p256.der
request -key "$keys/p256.pem" -sha384 -subj /CN=attempt -out good-p256-sha384.der
request -key "$keys/rsa2048.pem" -sha256 -subj /CN=attempt -out good-rsa2048.der
request -key "$keys/rsa3072.pem" -sha512 -subj /CN=attempt -out good-rsa3072-sha512.der
request -key "$keys/p256.pem" -sha256 -subj / -out good-empty-subject.der

# What must be refused; the file's name is the reason.
{ cat good-p256.der; printf '\0'; } > trailing.der
# Signed with another subject, then changed.
request -key "$keys/p256.pem" -sha256 -subj /CN=attempu -out "$keys/other.der"
sed 's/attempu/attempt/' "$keys/other.der" > wrong-signature.der

request -key "$keys/p256.pem" -sha1 -subj /CN=attempt -out sha1-p256.der
request -key "$keys/rsa2048.pem" -sha1 -subj /CN=attempt -out sha1-rsa2048.der
request -key "$keys/rsa2048.pem" -md5 -subj /CN=attempt -out md5-rsa2048.der
request -key "$keys/p256.pem" -sha512 -subj /CN=attempt -out sha512-p256.der
request -key "$keys/rsa2048.pem" -sha256 -sigopt rsa_padding_mode:pss -subj /CN=attempt -out pss-rsa2048.der
request -key "$keys/rsa1024.pem" -sha256 -subj /CN=attempt -out rsa1024.der
request -key "$keys/rsa-e3.pem" -sha256 -subj /CN=attempt -out rsa-exponent-3.der
request -key "$keys/p384.pem" -sha256 -subj /CN=attempt -out p384.der
request -key "$keys/ed25519.pem" -subj /CN=attempt -out ed25519.der
request -key "$keys/p256.pem" -sha256 -subj /CN=attempt -addext basicConstraints=critical,CA:TRUE -out ca-true.der
request -key "$keys/p256.pem" -sha256 -subj /CN=attempt -addext basicConstraints=CA:FALSE -out ca-false.der
request -key "$keys/p256.pem" -sha256 -subj /CN=attempt -addext subjectAltName=DNS:portal.qianyin.test -out alternative-name.der
request -key "$keys/p256.pem" -sha256 -subj /C=CN/O=Somebody/CN=attempt -out foreign-subject.der
request -key "$keys/p256.pem" -sha256 -subj /CN=attempt+O=Somebody -multivalue-rdn -out multi-valued-subject.der
printf '[req]\ndistinguished_name = dn\nattributes = at\nprompt = no\n[dn]\nCN = attempt\n[at]\nchallengePassword = secret\n' > "$keys/challenge.cnf"
openssl req -new -config "$keys/challenge.cnf" -outform DER -key "$keys/p256.pem" -sha256 -out challenge-password.der
