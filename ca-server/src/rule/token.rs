//! Rules about tokens, their stock and what happens at a workstation: the same table, in a file of its own.

macro_rules! with_tokens {
    ($outer:ident! { $make:ident! { $($others:tt)* } }) => { $outer! { $make! { $($others)*

    ApproveAnew "application.approve-anew" 409
        "申请 {application} 审核后，单位名称或代码已变更，尚未按新信息再次审核。" "请由未录入该申请和变更事项的审核员再次审核；已缴费用不变，审核后继续办理。"
        "The unit's name or code has changed since application {application} was approved." "Have an officer who recorded neither approve it anew; what is paid stays paid, and it goes on then.";
    ActivateAfterChange "activation.change-first" 409
        "制证后单位名称或代码已变更，变更申请 {application} 尚未办结（{state}）。" "请等变更审核通过、费用缴清后再激活，并随即运行 ukey renew 换发。"
        "The unit's name or code has changed since this certificate was made; its change {application} is {state}." "Activate when the change is approved and paid, then run ukey renew at once.";
    TokenMissing "token.absent" 409
        "工作站上没有序列号为 {token} 的 U-key。" "请插入该 U-key。"
        "The token with serial number {token} is not at the workstation." "Insert that token.";
    TokenTaken "token.taken" 409
        "U-key {token} 已用于另一份证书或正在使用。" "请换一个空白 U-key。"
        "Token {token} carries another certificate or is in use." "Take a blank token.";
    TokenFailed "token.failed" 409
        "U-key 操作失败（{code}）：{detail}" "{advice_zh}"
        "The token failed ({code}): {detail}" "{advice_en}";
    ApplicationInWork "application.in-work" 409
        "该申请已由工作站 {workstation} 用 U-key {token} 办理（{state}）。" "请用该工作站和该 U-key 继续；要换 U-key，请先放弃这次制证（abandonment）。"
        "Workstation {workstation} works on this application with token {token} ({state})." "Go on with that workstation and token; to use another token, give that attempt up first (abandonment).";
    WorkstationBusy "workstation.busy" 409
        "该工作站正在办理另一份申请。" "请等待其完成，或先放弃它。"
        "This workstation is working on another application." "Wait for it, or abandon it first.";
    KeyNotOnToken "key.origin" 422
        "密钥不是在 U-key 内生成，或可以导出：{detail}" "请换用合格的 U-key。"
        "The key was not born on the token or can leave it: {detail}" "Use another token.";
    ReadBack "token.read-back" 409
        "从 U-key 读回的证书与签发的不一致。" "请换一个 U-key 重新制证。"
        "What was read back from the token is not what was written." "Start again with another token.";
    Challenge "token.challenge" 409
        "U-key 没有用证书的密钥正确签名。" "请换一个 U-key 重新制证。"
        "The token did not sign the challenge with the certificate's key." "Start again with another token.";
    TokenNotListed "token.not-listed" 409
        "U-key {token} 不在库存中。" "只能使用登记入库的 U-key：请换一个，或由管理员导入供应商的交货清单。"
        "Token {token} is not in our stock." "Only listed tokens are personalised: take another one, or have the administrator import the vendor's list.";
    TokenNotBlank "token.not-blank" 409
        "U-key {token} 不是空白（{state}）。" "请换一个空白 U-key。"
        "Token {token} is not blank ({state})." "Take a blank token.";
    TokenElsewhere "token.elsewhere" 409
        "U-key {token} 登记在 {place}，不在柜台 {counter}。" "请先将其调拨到本柜台（token-transfers），或换一个本柜台的 U-key。"
        "Token {token} is listed at {place}, not at counter {counter}." "Transfer it to this counter first (token-transfers), or take one that is here.";
    PinSlipNone "pin-slip.none" 409
        "该申请没有可打印的口令信封（状态 {state}）。" "只有型号策略为 slip、已制成且尚未激活的 U-key 才有；已激活的由持有人自行修改口令，忘记时办理解锁。"
        "There is no PIN slip of this application (state {state})." "Only a token of a model with the rule slip has one, once it is made and until it is activated; afterwards the holder changes the PIN, or has it unlocked.";
    TokenOther "token.other" 409
        "U-key {token} 不是该证书所在的 U-key（{wanted}）。" "请插入该证书所在的 U-key。"
        "Token {token} is not the one that has this certificate ({wanted})." "Insert the token that has it.";
    TokenInWork "token.in-work" 409
        "U-key {token} 的状态为 {state}，不能调拨。" "只能调拨在库的 U-key。"
        "Token {token} is {state} and cannot be moved." "Only tokens that are in stock are moved.";
    ShiftStock "shift.stock" 409
        "库存登记在本柜台且未发放的 U-key 为 {listed} 个，清点为 {found} 个；登记的有：{rows}。" "逐个核对序列号：缺失的登记为 missing，损坏的登记为 spoiled，未登记调拨的补登记（token-transfers）。"
        "{listed} tokens that nobody has got are listed at this counter, {found} were counted; listed: {rows}." "Go through the serial numbers: record what is missing or spoiled, and transfers that were not recorded (token-transfers).";
    TokenFile "token.file" 422
        "交货清单有 {refused} 行有问题，未导入任何一行。" "请按列出的行更正后重新导入整份清单。"
        "{refused} lines of the list are wrong; nothing was imported." "Correct the lines that are named and import the whole list again.";
    TokenTwice "token.twice" 422
        "U-key {token} 在清单第 {first} 行已列出。" "请删除重复的行。"
        "Token {token} stands in line {first} already." "Remove the line that repeats it.";
    TokenKnown "token.known" 409
        "U-key {token} 已在库存中（{state}）。" "请核对清单；退回供应商后再次交货的可以重新入库。"
        "Token {token} is in our stock already ({state})." "Check the list; only one that went back to the vendor is taken in again.";
    TokenModel "token.model" 422
        "型号 {model} 不在 policies/tokens.toml 中。" "请核对型号；新型号须先写入策略。"
        "Model {model} is not in policies/tokens.toml." "Check the model; a new one is written into the policy first.";
    TokenNumber "token.number" 422
        "序列号 {found} 不符合要求：须为 1 至 16 个可打印的 ASCII 字符，不含空格，与 U-key 自身报告的一致。" "请按 ukey status 显示的序列号填写。"
        "Serial number {found}: 1 to 16 printable ASCII characters without spaces are needed, as the token itself says it." "Write it as `ukey status` shows it.";
    TokenWord "token.word" 422
        "{column} 须为 1 至 40 个字母、汉字、数字、空格或 - _ . /，首尾无空格。" "请更正后重发。"
        "{column}: 1 to 40 letters, digits, spaces or - _ . / are needed, no space at either end." "Correct it and send it again.";

    HoldLost "hold.lost" 409
        "证书 {serial} 因 U-key 丢失挂失，不能直接恢复。" "请单位到柜台申请恢复（release）：U-key 找回后由受理员录入，审核员批准。"
        "Certificate {serial} is on hold because its token was said to be gone; it is not released directly." "Have the unit apply for its release at the counter: entered by a clerk, decided by an officer.";
    HotlineWrong "hotline.wrong" 422
        "单位代码、经办人姓名、身份证后四位或证书与登记的不符。" "请核对后再试；一小时内错 5 次，该单位暂不受理电话挂失。"
        "Unit code, agent's name, end of the identity card number or certificate are not what is on file." "Check them and try again; after 5 wrong tries within an hour the unit is not served by telephone for a while.";
    HotlineLocked "hotline.locked" 429
        "该单位一小时内已错 5 次，{until} 前不受理电话挂失。" "请单位用网上账号挂失（/api/v1/own），用 U-key 自行吊销，或到柜台办理。"
        "Five tries for this unit were wrong within an hour: it is not served by telephone before {until}." "The unit can use its account (/api/v1/own), revoke with its U-key, or come to the counter.";
    KeyChallenge "key-revocation.challenge" 422
        "挑战值无效、已过期，或属于另一份证书。" "请为该证书重新取一个挑战值，5 分钟内签名并发送。"
        "The challenge is not one of ours, is over, or is for another certificate." "Ask for a new one for this certificate; sign and send it within 5 minutes.";
    KeySignature "key-revocation.signature" 422
        "签名与证书的公钥不符。" "请用证书的私钥对返回的 text 原文（UTF-8，含末尾换行）作 SHA-256 签名，ECDSA 用 DER 编码。"
        "The signature is not the certificate's key's." "Sign the octets of `text` as they came, with the last line feed, with SHA-256; ECDSA in DER.";
    TooMany "request.too-many" 429
        "请求过于频繁。" "请一分钟后再试。"
        "Too many requests came from there." "Try again in a minute.";

    } } };
}
