#!/usr/bin/env bash
# Benchmarks: import of the register and issuing on both databases beside the machine's limits, and OCSP beside nginx with
# the same octets as a static file. Nothing here asserts a time; read the ratios. REGISTER rows, COUNT certificates a
# round, SECONDS_EACH of load.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
cargo build --release --locked -q --bin ca-server --bin ukey --bin portal
BIN="${QIANYIN_BIN:-$top/target/release}" POLICIES="$top/policies" TESTDATA="$top/testdata"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/qianyin-bench.XXXXXX")
DIR="$WORK/ocsp"
chmod 755 "$WORK"
. "$top/ca-server/scripts/lib.sh"
. "$top/ca-server/scripts/postgres.sh"
finish() { local status=$?; stop_all; stop_postgres; [ ! -s "$WORK/nginx.pid" ] || kill "$(cat "$WORK/nginx.pid")" 2>/dev/null || true; rm -rf "$WORK"; exit $status; }
trap finish EXIT
COUNT="${COUNT:-8000}" SECONDS_EACH="${SECONDS_EACH:-10}" REGISTER="${REGISTER:-500000}"

# Each rate beside what this machine can do: one fdatasync, and one signature with one verification by ring on one core.
with_ratios() {
    awk '/^limit/ { for (i = 1; i < NF; i++) { if ($i == "sign") s = $(i + 1) + 0; if ($i == "verify") v = $(i + 1) + 0; if ($i == "KiB") f = $(i + 1) + 0 } print }
         /^issue/ { r = 0; for (i = 1; i <= NF && !r; i++) if ($i ~ /^[0-9.]+\/s$/) r = $i + 0
                    printf "%s   ratio to fdatasync %.2f, to ring sign+verify %.3f\n", $0, r / f, r * (1 / s + 1 / v) } { fflush() }'
}

echo "== register of insured units: $REGISTER lines, checked, staged 5,000 a transaction, then in force at once"
echo "== issuing: CSR in, durable and audited certificate out (2 transactions and 1 C_Sign each)"
"$BIN/ca-server" --lang en bench --dir "$WORK/sqlite" --policies "$POLICIES" --count "$COUNT" --register "$REGISTER" | with_ratios
start_postgres "$WORK/postgres"
DATABASE_URL="$POSTGRES_URL" "$BIN/ca-server" --lang en bench --dir "$WORK/pg" --policies "$POLICIES" --count "$COUNT" --register "$REGISTER" | with_ratios
stop_postgres

echo "== search: 200 clerks at once among UNITS registered units, each with a goal of 100 ms at the 99th percentile"
UNITS="${UNITS:-500000}"
"$BIN/ca-server" --lang en bench --dir "$WORK/search" --policies "$POLICIES" --search "$UNITS"
start_postgres "$WORK/postgres-search"
DATABASE_URL="$POSTGRES_URL" "$BIN/ca-server" --lang en bench --dir "$WORK/pg-search" --policies "$POLICIES" --search "$UNITS"
stop_postgres

echo "== money: ORDERS paid orders on file; a page of a statement and the reconciliation of a day, each with a goal of 1 s"
ORDERS="${ORDERS:-1000000}"
"$BIN/ca-server" --lang en bench --dir "$WORK/orders" --policies "$POLICIES" --orders "$ORDERS"
start_postgres "$WORK/postgres-orders"
DATABASE_URL="$POSTGRES_URL" "$BIN/ca-server" --lang en bench --dir "$WORK/pg-orders" --policies "$POLICIES" --orders "$ORDERS"
stop_postgres

echo "== OCSP: answers from the server, and nginx with the same octets as a static file (wrk, $SECONDS_EACH s each, 32 connections)"
mkdir -p "$DIR" "$WORK/www"
make_ca >/dev/null
. "$DIR/ports.env"
"$BIN/ca-server" serve --config "$DIR/ca-server.toml" >"$WORK/server.log" 2>&1 &
PIDS+=($!)
wait_for 20 "ca-server" curl -fsS "http://$CA_HTTP/readyz"
# The portal's certificate stands for any: what is asked does not change the cost.
openssl ocsp -issuer "$DIR/issuing.pem" -cert "$DIR/portal.pem" -no_nonce -reqout "$WORK/request.der" >/dev/null 2>&1
path=$(base64 -w0 "$WORK/request.der" | sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')
curl -fsS "http://$CA_HTTP/ocsp/$path" -o "$WORK/www/answer"
cat >"$WORK/nginx.conf" <<NGINX
worker_processes 2;
pid $WORK/nginx.pid;
error_log $WORK/nginx.log;
events { worker_connections 1024; }
http {
    access_log off; sendfile on; open_file_cache max=10;
    server { listen 127.0.0.1:0; }
}
NGINX
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -i "s|listen 127.0.0.1:0;|listen 127.0.0.1:$port; root $WORK/www;|" "$WORK/nginx.conf"
# Its workers are another user when it is started by root.
chmod 755 "$WORK/www"; chmod 644 "$WORK/www/answer"
nginx -c "$WORK/nginx.conf" -p "$WORK" -e "$WORK/nginx.log" || { cat "$WORK/nginx.log" >&2; die "nginx did not start"; }
wait_for 10 "nginx" curl -fsS -o /dev/null "http://127.0.0.1:$port/answer"
# Peer and product give the same answer, or the ratio says nothing.
same() { # same NAME CURL-ARGUMENTS...
    local name=$1 status; shift
    status=$(curl -sS -o "$WORK/got" -w '%{http_code}' "$@")
    [ "$status" = 200 ] || die "$name answered $status"
    # An ECDSA signature made anew may be a few octets longer or shorter.
    local more=$(($(stat -c %s "$WORK/got") - $(stat -c %s "$WORK/www/answer")))
    [ "${more#-}" -le 4 ] || die "$name gave $more octets more"
}
post() { same "$1" -H 'Content-Type: application/ocsp-request' --data-binary "@$2" "http://$CA_HTTP/ocsp"; }
# A rate; errors are told, not counted as answers.
load() {
    wrk -t1 -c32 -d"${SECONDS_EACH}s" "$@" | awk '/Requests\/sec/ {print $2} /Non-2xx|Socket errors/ {print "ERRORS: " $0 > "/dev/stderr"}'
}
cat >"$WORK/post.lua" <<LUA
local file = io.open("$WORK/request.der", "rb")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "application/ocsp-request"
LUA
openssl ocsp -issuer "$DIR/issuing.pem" -cert "$DIR/portal.pem" -reqout "$WORK/nonce.der" >/dev/null 2>&1
sed "s|request.der|nonce.der|" "$WORK/post.lua" >"$WORK/nonce.lua"
same nginx "http://127.0.0.1:$port/answer"
cmp "$WORK/got" "$WORK/www/answer"
same "ocsp GET" "http://$CA_HTTP/ocsp/$path"
post "ocsp POST" "$WORK/request.der"
# What the server's processors spent, in clock ticks: user and system time of the whole process.
server_pid=${PIDS[-1]}
ticks() { awk '{print $14 + $15}' "/proc/$server_pid/stat"; }
closing=(-H "Connection: close")
echo "ocsp   each answer 200 with $(stat -c %s "$WORK/www/answer") octets; with a nonce it is signed anew"
report() { # report NAME RATE NGINX TICKS
    awk -v n="$1" -v v="$2" -v s="$3" -v t="$4" -v h="$(getconf CLK_TCK)" -v e="$SECONDS_EACH" \
        'BEGIN {printf "ocsp   %-22s %9.0f/s  ratio to nginx %.2f%s\n", n, v, v / s, t ? sprintf("  CPU %.1f µs each", t / h * 1e6 / (v * e)) : ""}'
}
measure() { # measure NAME NGINX LOAD-ARGUMENTS...
    local name=$1 static=$2 before rate; shift 2
    before=$(ticks); rate=$(load "$@")
    report "$name" "$rate" "$static" $(($(ticks) - before))
}
static=$(load "http://127.0.0.1:$port/answer")
report nginx-static "$static" "$static" 0
measure GET-cached "$static" "http://$CA_HTTP/ocsp/$path"
measure POST-cached "$static" -s "$WORK/post.lua" "http://$CA_HTTP/ocsp"
measure POST-nonce "$static" -s "$WORK/nonce.lua" "http://$CA_HTTP/ocsp"
static=$(load "${closing[@]}" "http://127.0.0.1:$port/answer")
report nginx-static-close "$static" "$static" 0
measure GET-cached-close "$static" "${closing[@]}" "http://$CA_HTTP/ocsp/$path"
measure POST-cached-close "$static" "${closing[@]}" -s "$WORK/post.lua" "http://$CA_HTTP/ocsp"

echo "== OCSP without HTTP: RANDOM_SERIALS serial numbers that were never issued, cached answers, nonces beside ring's raw signatures"
"$BIN/ca-server" --lang en bench --dir "$WORK/responder" --policies "$POLICIES" --ocsp "${RANDOM_SERIALS:-10000000}"
