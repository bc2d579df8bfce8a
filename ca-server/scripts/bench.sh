#!/usr/bin/env bash
# Benchmarks: issuing on both databases beside the machine's limits, and OCSP beside nginx with the same octets as a
# static file. Nothing here asserts a time; read the ratios.
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
COUNT="${COUNT:-8000}"

echo "== issuing: CSR in, durable and audited certificate out (2 transactions and 1 C_Sign each)"
"$BIN/ca-server" --lang en bench --dir "$WORK/sqlite" --policies "$POLICIES" --count "$COUNT" | grep -E '^(limit|issue)'
start_postgres "$WORK/postgres"
DATABASE_URL="$POSTGRES_URL" "$BIN/ca-server" --lang en bench --dir "$WORK/pg" --policies "$POLICIES" --count "$COUNT" | grep -E '^(limit|issue)'
stop_postgres

echo "== OCSP: answers from the server, and nginx with the same octets as a static file (wrk, 10 s each, 32 connections)"
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
nginx -c "$WORK/nginx.conf" -p "$WORK" 2>/dev/null
load() { wrk -t1 -c32 -d10s "$@" | awk '/Requests\/sec/ {print $2} /Non-2xx/ {print "ERRORS " $0 > "/dev/stderr"}'; }
cat >"$WORK/post.lua" <<LUA
local file = io.open("$WORK/request.der", "rb")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "application/ocsp-request"
LUA
openssl ocsp -issuer "$DIR/issuing.pem" -cert "$DIR/portal.pem" -reqout "$WORK/nonce.der" >/dev/null 2>&1
sed "s|request.der|nonce.der|" "$WORK/post.lua" >"$WORK/nonce.lua"
static=$(load "http://127.0.0.1:$port/answer")
get=$(load "http://$CA_HTTP/ocsp/$path")
post=$(load -s "$WORK/post.lua" "http://$CA_HTTP/ocsp")
nonce=$(load -s "$WORK/nonce.lua" "http://$CA_HTTP/ocsp")
for row in "nginx-static:$static" "ocsp-GET-cached:$get" "ocsp-POST-cached:$post" "ocsp-POST-nonce:$nonce"; do
    awk -v n="${row%%:*}" -v v="${row#*:}" -v s="$static" 'BEGIN {printf "ocsp   %-18s %9.0f/s  ratio to nginx %.2f\n", n, v, v / s}'
done
