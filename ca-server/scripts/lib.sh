# Shared by run.sh and demo.sh: the path of a certificate with the real programs. Expects $DIR (the demonstration's
# folder) and $BIN (the programs' folder). Each step prints one line: number, name, artefact, what it proves.

CA_SERVER="$BIN/ca-server" UKEY="$BIN/ukey" PORTAL="$BIN/portal"
CONFIG="$DIR/ca-server.toml"
MODULE="${PKCS11_MODULE:-/usr/lib/softhsm/libsofthsm2.so}"
TOKENS="$DIR/ukey"
# The demonstration's unit (testdata/units.toml), and its agent's card at the portal.
USCC=91320104000000019U PORTAL_CARD=A12345678
PIDS=()

step() { printf '[%02d] %-28s %s\n     %s\n' "$1" "$2" "$3" "$4"; }
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
secret() { head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
# A value of JSON on standard input.
field() { jq -er "$1"; }

stop_all() {
    local pid
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null || true; done
    PIDS=()
}

# ukey with the tokens of this folder: SoftHSM2 stands for the U-keys of counter and holder.
ukey() { SOFTHSM2_CONF="$TOKENS/softhsm2.conf" PKCS11_MODULE="$MODULE" "$UKEY" --lang "${LANGUAGE_TAG:-zh}" "$@"; }

# Calls the API as a member of staff, with the key on their token: api ROLE METHOD PATH [BODY] [IDEMPOTENCY-KEY]
api() {
    local role=$1 method=$2 path=$3 body=${4-} key=${5-}
    local arguments=(api --server "https://$CA_HTTPS" --anchor "$DIR/root.pem" --token "$role" --pin-file "$DIR/staff/$role.pin")
    [ -z "$body" ] || arguments+=(--data -)
    [ -z "$key" ] || arguments+=(--idempotency-key "$key")
    printf '%s' "$body" | ukey "${arguments[@]}" "$method" "$path"
}

wait_for() { # wait_for SECONDS WHAT COMMAND...
    local seconds=$1 what=$2 until; shift 2
    until=$(($(date +%s) + seconds))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$until" ] || die "$what did not happen within $seconds s"
        sleep 0.1
    done
}

make_ca() {
    "$CA_SERVER" init --dir "$DIR" --policies "$POLICIES" >/dev/null
    . "$DIR/ports.env"
    step 1 "key ceremony 密钥仪式" "ceremony-report.json" \
        "$(jq -r '[.keys[] | select(.never_extractable)] | length' "$DIR/ceremony-report.json") keys born on 2 tokens, read back as never extractable; root $(openssl x509 -in "$DIR/root.pem" -noout -fingerprint -sha256 | cut -d= -f2 | cut -c1-23)…"
}

# A member of staff: token initialised, key pair and CSR on it, certificate written to it.
make_staff() { # make_staff ROLE NAME ROLES
    local role=$1 name=$2 roles=$3
    (umask 077; mkdir -p "$DIR/staff"; secret >"$DIR/staff/$role.pin"; secret >"$DIR/staff/$role.so-pin")
    ukey init --label "$role" --so-pin-file "$DIR/staff/$role.so-pin" --pin-file "$DIR/staff/$role.pin" >/dev/null
    ukey request --token "$role" --pin-file "$DIR/staff/$role.pin" --output "$DIR/staff/$role.csr" >/dev/null
    "$CA_SERVER" staff add --config "$CONFIG" --name "$name" --role "$roles" --csr "$DIR/staff/$role.csr" \
        --output "$DIR/staff/$role.pem" >/dev/null
    ukey install --token "$role" --pin-file "$DIR/staff/$role.pin" --certificate "$DIR/staff/$role.pem" >/dev/null
}

make_all_staff() {
    mkdir -p "$TOKENS/tokens"
    printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$TOKENS/tokens" >"$TOKENS/softhsm2.conf"
    make_staff clerk 王柜员 clerk,maker,cashier
    make_staff officer 李审核 reviewer,trainer
    make_staff auditor 赵审计 auditor
    make_staff administrator 钱管理 administrator
    step 2 "staff 工作人员" "staff/*.pem" "clerk, officer, auditor, administrator: each a key on an own token"
}

start_servers() {
    "$CA_SERVER" serve --config "$CONFIG" >"$DIR/ca-server.log" 2>&1 &
    PIDS+=($!)
    wait_for 20 "ca-server" curl -fsS "http://$CA_HTTP/readyz"
    cat >"$DIR/portal.toml" <<TOML
listen = "$PORTAL_HTTPS"
certificate = "portal.pem"
key = "portal.key"
anchors = ["root.pem"]
intermediates = ["issuing.pem"]

[services]
database = "portal.db"

[[crl]]
url = "http://$CA_HTTP/crl/issuing/0.crl"
issuer = "issuing.pem"
TOML
    # Whom the portal knows: an agent of the demonstration's unit, with a first password.
    [ -s "$DIR/portal-agents.csv" ] || (umask 077; printf '%s\n' 'card,name,password,uscc,confirmed,qualified_until' \
        "$PORTAL_CARD,张三,$(secret),$USCC,yes,2099-12-31" >"$DIR/portal-agents.csv")
    "$PORTAL" import-agents --config "$DIR/portal.toml" "$DIR/portal-agents.csv" >/dev/null
    "$PORTAL" serve --config "$DIR/portal.toml" >"$DIR/portal.log" 2>&1 &
    PIDS+=($!)
    wait_for 20 "portal" curl -fsS --cacert "$DIR/root.pem" "https://$PORTAL_HTTPS/healthz"
}

start_counter() {
    # Not the function above: its process would be a shell's, and killing that would leave the workstation behind.
    SOFTHSM2_CONF="$TOKENS/softhsm2.conf" PKCS11_MODULE="$MODULE" "$UKEY" --lang "${LANGUAGE_TAG:-zh}" counter \
        --server "https://$CA_HTTPS" --anchor "$DIR/root.pem" --workstation counter-1 \
        --token clerk --pin-file "$DIR/staff/clerk.pin" >"$DIR/counter.log" 2>&1 &
    PIDS+=($!)
}

# What the token's vendor does: a blank token with the factory's SO PIN, which everybody knows (policies/tokens.toml).
make_blank_token() {
    local factory
    factory=$(sed -n 's/^factory-so-pin *= *"\(.*\)"/\1/p' "$POLICIES/tokens.toml")
    SOFTHSM2_CONF="$TOKENS/softhsm2.conf" softhsm2-util --module "$MODULE" --init-token --free --label BLANK \
        --so-pin "$factory" --pin 00000000 >/dev/null
    BLANK=$(ukey status --offline --json | field '[.tokens[] | select(.label == "BLANK")][0].serial')
    # Its list goes to the administrator: no other token is personalised.
    printf 'serial,model,batch\n%s,SoftHSM v2,DEMO-1\n' "$BLANK" >"$DIR/delivery.csv"
    "$CA_SERVER" import-tokens --config "$CONFIG" --counter municipal "$DIR/delivery.csv" >/dev/null
}

# The statement that applicants accept.
cps() { sed -n 's/^cps *= *"\(.*\)"/\1/p' "$POLICIES/applications.toml"; }

enroll() {
    "$CA_SERVER" import --config "$CONFIG" "$TESTDATA/units.toml" >"$DIR/import.log"
    AGENT=$(grep -oE '[0-9a-f]{32}$' "$DIR/import.log" | tail -1)
    step 3 "enroll 登记、培训、确认" "unit $USCC" "check digit verified; agent $AGENT trained and confirmed for the unit"
}

apply_for() { # apply_for YEARS
    local digest=$(printf 'scan' | sha256sum | cut -d' ' -f1) documents
    documents=$(for kind in nanjing-hrss-application nanjing-hrss-application seal-application service-contract; do
        printf '{"kind":"%s","sha256":"%s"},' "$kind" "$digest"; done)
    APPLICATION=$(api clerk POST /api/v1/applications \
        "{\"uscc\":\"$USCC\",\"agent\":\"$AGENT\",\"years\":$1,\"cps\":\"$(cps)\",\"documents\":[${documents%,}]}" "apply-$(secret)" | field .id)
    step 4 "apply 申请" "application $APPLICATION" "documents seen by the clerk, gate open"
}

decide_and_pay() {
    local fee
    if api clerk POST "/api/v1/applications/$APPLICATION/approval" >/dev/null 2>&1; then die "the clerk approved an own application"; fi
    api officer POST "/api/v1/applications/$APPLICATION/approval" >/dev/null
    step 5 "decide 审核" "approved" "by the officer; the clerk who entered it was refused"
    fee=$(api clerk GET "/api/v1/applications/$APPLICATION" | field .fee_fen)
    api clerk POST "/api/v1/applications/$APPLICATION/payments" \
        "{\"amount_fen\":$fee,\"currency\":\"CNY\",\"method\":\"cash\",\"receipt_no\":\"R-$(secret)\"}" "pay-$(secret)" >/dev/null
    step 6 "pay 缴费" "¥$((fee / 100)).00" "50 + 150 a year, recorded once, double entry"
}

application_is() { [ "$(api clerk GET "/api/v1/applications/$APPLICATION" | field "$1")" = "$2" ]; }

fetch_certificate() { # fetch_certificate FILE
    api auditor GET "/api/v1/certificates/$SERIAL" | field .certificate | base64 -d | openssl x509 -inform DER >"$1"
}

personalise() {
    make_blank_token
    api clerk POST "/api/v1/applications/$APPLICATION/personalisation" \
        "{\"workstation\":\"counter-1\",\"token\":\"$BLANK\"}" >/dev/null
    wait_for 30 "personalisation" application_is .personalisation.state proved
    step 7 "issue 制证" "token $BLANK" "key pair born on the token, CSR signed there; intent, one signature, certificate; challenge proved"
    SERIAL=$(api clerk POST "/api/v1/applications/$APPLICATION/hand-over" | field .serial)
    wait_for 10 "the message" test -s "$DIR/outbox/$APPLICATION.txt"
    fetch_certificate "$DIR/unit.pem"
    UNIT_LABEL=$(ukey status --offline --json | field "[.tokens[] | select(.serial == \"$BLANK\")][0].label")
    UNIT_KEY=$(attempt)
    step 8 "hand over 交付" "unit.pem, serial $SERIAL" "on hold until the holder activates; the code went to the agent"
}

write_token_env() {
    (umask 077; printf '123456' >"$DIR/unit.initial-pin"; [ -s "$DIR/unit.pin" ] || secret >"$DIR/unit.pin")
    cat >"$DIR/token.env" <<ENV
PKCS11_MODULE=$MODULE
TOKEN_LABEL='$UNIT_LABEL'
SOFTHSM2_CONF=$TOKENS/softhsm2.conf
PIN_FILE=$DIR/unit.pin
KEY_LABEL='$UNIT_KEY'
ENV
}

# The key pair's label on the token is the attempt that made it.
attempt() { api clerk GET "/api/v1/applications/$APPLICATION" | field .personalisation.attempt; }

activate() {
    grep -oE '[2-9A-HJKMNP-TV-Z]{5}-[2-9A-HJKMNP-TV-Z]{5}' "$DIR/outbox/$APPLICATION.txt" | head -1 >"$DIR/outbox/code"
    chmod 600 "$DIR/outbox/code"
    ukey activate --server "https://$CA_HTTPS" --anchor "$DIR/root.pem" --token "$UNIT_LABEL" \
        --pin-file "$DIR/unit.initial-pin" --new-pin-file "$DIR/unit.pin" --code-file "$DIR/outbox/code" >/dev/null
    rm -f "$DIR/outbox/code" "$DIR/unit.initial-pin"
    step 10 "activate 激活" "initial PIN replaced" "the code from the message opened the certificate"
}

# The holder's own renewal: a new key on the same token; the counter only enters, decides and takes the fee.
renew() { # renew YEARS
    local fee old=$SERIAL digest=$(printf 'scan' | sha256sum | cut -d' ' -f1)
    APPLICATION=$(api clerk POST /api/v1/applications \
        "{\"uscc\":\"$USCC\",\"agent\":\"$AGENT\",\"years\":$1,\"kind\":\"renew\",\"certificate\":\"$old\",\"cps\":\"$(cps)\",
          \"documents\":[{\"kind\":\"nanjing-hrss-application\",\"sha256\":\"$digest\"}]}" "renew-$(secret)" | field .id)
    api officer POST "/api/v1/applications/$APPLICATION/approval" >/dev/null
    fee=$(api clerk GET "/api/v1/applications/$APPLICATION" | field .fee_fen)
    api clerk POST "/api/v1/applications/$APPLICATION/payments" \
        "{\"amount_fen\":$fee,\"currency\":\"CNY\",\"method\":\"cash\",\"receipt_no\":\"R-$(secret)\"}" "pay-$(secret)" >/dev/null
    SERIAL=$(ukey renew --json --server "https://$CA_HTTPS" --anchor "$DIR/root.pem" --token "$UNIT_LABEL" \
        --pin-file "$DIR/unit.pin" | tail -1 | field .serial)
    RENEWED="$fee"
}

# Logs in to the portal as the unit would: curl, with the key in the token through OpenSSL's PKCS#11 engine.
portal_login() { # prints "STATUS BODY"
    cat >"$DIR/openssl.cnf" <<CNF
openssl_conf = init
[init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
dynamic_path = $(ls /usr/lib/*/engines-3/pkcs11.so | head -1)
MODULE_PATH = $MODULE
init = 0
CNF
    # The PIN is read by the engine from a file, never from the command line.
    OPENSSL_CONF="$DIR/openssl.cnf" SOFTHSM2_CONF="$TOKENS/softhsm2.conf" curl -sS --engine pkcs11 --key-type ENG \
        --key "pkcs11:token=$(uri "$UNIT_LABEL");object=$UNIT_KEY;type=private;pin-source=${LOGIN_PIN_FILE:-$DIR/unit.pin}" \
        --cert "$DIR/unit.pem" --cacert "$DIR/root.pem" -H 'Accept: application/json' -w '\n%{http_code}\n' "https://$PORTAL_HTTPS/"
}
uri() { printf '%s' "$1" | sed 's/ /%20/g'; }
portal_answers() { # portal_answers STATUS [CODE]
    local answer; answer=$(portal_login) || return 1
    [ "$(tail -1 <<<"$answer")" = "$1" ] && { [ $# -lt 2 ] || grep -q "$2" <<<"$answer"; }
}
