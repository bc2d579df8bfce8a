# A throw-away PostgreSQL on a Unix socket: start_postgres FOLDER sets $POSTGRES_URL, stop_postgres removes it.
# PostgreSQL refuses to run as root, so then it runs as the user postgres.
POSTGRES_DIR=""
as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
start_postgres() {
    local bin; bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
    POSTGRES_DIR=$1 POSTGRES_BIN=$bin
    mkdir -p "$POSTGRES_DIR"
    [ "$(id -u)" != 0 ] || chown postgres "$POSTGRES_DIR"
    as_postgres "$bin/initdb" -D "$POSTGRES_DIR/data" -A trust -U qianyin --locale=C -E UTF8 >/dev/null
    as_postgres "$bin/pg_ctl" -D "$POSTGRES_DIR/data" -w -s -l "$POSTGRES_DIR/log" \
        -o "-c listen_addresses='' -c unix_socket_directories='$POSTGRES_DIR'" start
    as_postgres "$bin/createdb" -h "$POSTGRES_DIR" -U qianyin qianyin
    POSTGRES_URL="postgres://qianyin@/qianyin?host=$POSTGRES_DIR"
}
stop_postgres() {
    [ -n "$POSTGRES_DIR" ] || return 0
    as_postgres "$POSTGRES_BIN/pg_ctl" -D "$POSTGRES_DIR/data" -m immediate -s stop >/dev/null 2>&1 || true
    rm -rf "$POSTGRES_DIR"
    POSTGRES_DIR=""
}
