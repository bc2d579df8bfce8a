#!/usr/bin/env bash
# The whole path once, from nothing, in a folder and on ports of its own; nothing stays behind. Exit status 0 only
# when every step held. Each step prints its artefact and one line of what it proves.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
BIN="${QIANYIN_BIN:-$top/target/release}" POLICIES="$top/policies" TESTDATA="$top/testdata"
DIR=$(mktemp -d "${TMPDIR:-/tmp}/qianyin-demo.XXXXXX")
. "$top/ca-server/scripts/lib.sh"
finish() {
    local status=$?
    stop_all
    if [ $status -ne 0 ]; then
        for log in ca-server portal counter; do
            [ ! -s "$DIR/$log.log" ] || { echo "--- $log.log" >&2; tail -20 "$DIR/$log.log" >&2; }
        done
    fi
    rm -rf "$DIR"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

make_ca
make_all_staff
start_servers
start_counter
enroll
apply_for 1
decide_and_pay
personalise
write_token_env
LOGIN_PIN_FILE="$DIR/unit.initial-pin" portal_answers 403 not-activated || die "the portal did not refuse a certificate that is not activated"
step 9 "portal 门户" "403 not-activated" "handed over is not yet usable"
activate
wait_for 5 "the login" portal_answers 200 "$USCC"
step 11 "portal 门户" "200 $USCC" "mutual TLS with the key on the token; the unit is known by the certificate's extension"
openssl verify -x509_strict -CAfile "$DIR/root.pem" -untrusted "$DIR/issuing.pem" "$DIR/unit.pem" >/dev/null
curl -fsS -o "$DIR/ocsp.der" -H 'Content-Type: application/ocsp-request' --data-binary @<(
    openssl ocsp -issuer "$DIR/issuing.pem" -cert "$DIR/unit.pem" -no_nonce -reqout - 2>/dev/null) "http://$CA_HTTP/ocsp"
openssl ocsp -issuer "$DIR/issuing.pem" -cert "$DIR/unit.pem" -CAfile "$DIR/root.pem" -verify_other "$DIR/issuing.pem" \
    -url "http://$CA_HTTP/ocsp" 2>/dev/null | grep -q ': good' || die "OCSP does not say good"
step 12 "openssl" "verify -x509_strict, ocsp" "chain OK, status good"
renew 1
cp "$DIR/unit.pem" "$DIR/old.pem"
portal_refuses_old() { portal_answers 403 superseded; }
wait_for 5 "the refusal of the renewed certificate" portal_refuses_old
fetch_certificate "$DIR/unit.pem"
UNIT_KEY=$(attempt)
wait_for 5 "the login with the renewed certificate" portal_answers 200 "$USCC"
end_of() { openssl x509 -in "$1" -noout -enddate | cut -d= -f2 | xargs -0 -I{} date -u -d {} +%s; }
step 13 "renew 续期" "¥$((RENEWED / 100)).00, new key, serial $SERIAL" \
    "$((($(end_of "$DIR/unit.pem") - $(end_of "$DIR/old.pem")) / 86400)) paid days after the old end, none lost; the old certificate is refused, the new one lets the unit in"
"$CA_SERVER" revoke --config "$CONFIG" --reason keyCompromise "$SERIAL" >/dev/null
start=$(date +%s%3N)
wait_for 5 "the refusal" portal_answers 403 revoked
step 14 "revoke 吊销" "403 revoked" "the same command is refused $(($(date +%s%3N) - start)) ms after the revocation"
openssl ocsp -issuer "$DIR/issuing.pem" -cert "$DIR/unit.pem" -CAfile "$DIR/root.pem" -verify_other "$DIR/issuing.pem" \
    -url "http://$CA_HTTP/ocsp" 2>/dev/null | grep -q 'keyCompromise' || die "OCSP does not say revoked"
"$CA_SERVER" export --config "$CONFIG" --output "$DIR/export.jsonl"
"$BIN/ca-audit" check "$DIR/export.jsonl" --root "$DIR/root.pem" >"$DIR/audit.txt" || { cat "$DIR/audit.txt"; die "ca-audit found something"; }
entries=$("$CA_SERVER" log show --config "$CONFIG" --json | wc -l)
step 15 "audit 审计" "$entries log entries" "ca-audit, which shares no code with the CA, finds nothing wrong"
echo "OK"
