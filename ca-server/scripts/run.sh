#!/usr/bin/env bash
# A demonstration CA in var/demo: made at the first run, kept after that. Server and portal run until Ctrl-C.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
BIN="${QIANYIN_BIN:-$top/target/release}" POLICIES="$top/policies" TESTDATA="$top/testdata"
DIR="${QIANYIN_DEMO:-$top/var/demo}"
mkdir -p "$DIR"
exec 9>"$DIR/lock"
if ! flock -n 9; then
    . "$DIR/ports.env"
    echo "已在运行 | running already: https://$PORTAL_HTTPS"
    exit 1
fi
. "$top/ca-server/scripts/lib.sh"
trap stop_all EXIT
trap 'exit 0' INT TERM
if [ ! -s "$DIR/README.txt" ]; then
    # A first run that was interrupted left half a demonstration: begin anew.
    find "$DIR" -mindepth 1 ! -name lock -exec rm -rf {} +
    make_ca; make_all_staff; start_servers; start_counter; enroll; apply_for 1; decide_and_pay; personalise
    write_token_env; activate
    wait_for 5 "the login" portal_answers 200
    step 11 "portal 门户" "200 $USCC" "mutual TLS with the key on the token"
    cat >"$DIR/README.txt" <<TXT
演示 CA 的文件 | Files of the demonstration CA

root.pem       根证书，装入浏览器后访问门户无警告 | root certificate; with it installed the portal shows no warning
issuing.pem    签发 CA 证书 | issuing CA
chain.pem      签发 CA + 根 | issuing CA and root
unit.pem       签发给单位的证书，私钥在 U-key 里 | the unit's certificate; its key is on the token
portal.pem     门户的服务器证书 | the portal's server certificate
ports.env      各服务的地址 | addresses
token.env      U-key 的位置、标签和口令文件 | where the token is, its labels and PIN file
staff/         工作人员的证书和口令文件（各有自己的 U-key）| staff: certificates and PIN files, each with an own token
portal-agents.csv  经办人在门户的社保卡号和初始查询密码，首次登录须修改 | the agent's card number and first query
               password at the portal, to be replaced at the first login: card $PORTAL_CARD
portal.db      门户的数据库 | the portal's database
outbox/        发给经办人的消息（含激活码）| messages to agents, with activation codes
ceremony-report.json  密钥仪式报告 | report of the key ceremony
TXT
else
    . "$DIR/ports.env"; . "$DIR/token.env"; UNIT_LABEL=$TOKEN_LABEL UNIT_KEY=$KEY_LABEL
    "$CA_SERVER" migrate --config "$CONFIG" >/dev/null
    start_servers; start_counter
fi
SERIAL=$(openssl x509 -in "$DIR/unit.pem" -noout -serial | cut -d= -f2 | tr A-F a-f)
cat <<TXT

签印已启动 | Qianyin is running                                     (Ctrl-C 停止 | stops)
  门户 portal    https://$PORTAL_HTTPS    (root: $DIR/root.pem; 经办人 agent: $DIR/portal-agents.csv)
  接口 API       https://$CA_HTTPS/api/openapi.json
  状态 status    http://$CA_HTTP/ocsp   http://$CA_HTTP/crl/issuing/0.crl
  文件 files     $DIR/README.txt

接下来试试 | try next, in another terminal:
  ca-server/scripts/login.sh                          # 用 U-key 登录门户 | log in with the U-key
  target/release/ca-server revoke $SERIAL --reason keyCompromise
  ca-server/scripts/login.sh                          # 被拒绝，并说明原因 | refused, and told why
  target/release/ca-server log show | tail
TXT
wait "${PIDS[@]}"
