//! Every rule that can say no, with what people are told: what happened and what to do, in Chinese and English.
//! Such texts are made here and in `rule/` only. `{name}` is replaced by the fact of that name.

macro_rules! rules {
    ($($name:ident $text:literal $status:literal
        $zh:literal $zh_remedy:literal
        $en:literal $en_remedy:literal;)+) => {
        /// A rule that said no.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Rule { $(#[doc = $en] $name),+ }

        impl Rule {
            /// Every rule.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in problem documents and in the log.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The HTTP status.
            pub(crate) fn status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }

            /// Situation and remedy.
            pub(crate) fn texts(self, language: Language) -> (&'static str, &'static str) {
                match (self, language) {
                    $((Self::$name, Language::Zh) => ($zh, $zh_remedy),
                      (Self::$name, Language::En) => ($en, $en_remedy),)+
                }
            }
        }
    };
}

/// A language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// 简体中文.
    Zh,
    /// English.
    En,
}

impl Language {
    /// From `--lang`, `LANG` or `Accept-Language`: English when it starts so, else Chinese.
    pub(crate) fn from_tag(tag: &str) -> Self {
        if tag.trim_start().to_ascii_lowercase().starts_with("en") { Self::En } else { Self::Zh }
    }
}

#[macro_use]
mod money;
#[macro_use]
mod token;

with_tokens! { with_money! { rules! {
    Malformed "request.malformed" 400
        "请求无法读取：{detail}" "请按接口文档 /api/openapi.json 更正后重发。"
        "The request cannot be read: {detail}" "Correct it by /api/openapi.json and send it again.";
    TooLarge "request.too-large" 413
        "请求超过 {limit} 字节的上限。" "请缩小后重发；扫描件只传 SHA-256。"
        "The request is larger than {limit} bytes." "Send less; of scans only the SHA-256 is sent.";
    NotFound "not-found" 404
        "没有找到 {object}。" "请核对编号。"
        "{object} was not found." "Check the identifier.";
    IdempotencyKeyMissing "idempotency-key.missing" 400
        "缺少 Idempotency-Key 请求头。" "请为每次操作生成一个不重复的值，重发时用同一个值。"
        "The Idempotency-Key header is missing." "Make one value for each operation and keep it when you send again.";
    IdempotencyKeyReused "idempotency-key.reused" 422
        "这个 Idempotency-Key 已用于另一个请求。" "请换一个新的值。"
        "This Idempotency-Key was used for another request." "Use a new value.";
    MediaType "request.media-type" 415
        "不支持 {found} 格式的文件。" "请发送 text/csv（CSV）或 XLSX 的媒体类型。"
        "A file of type {found} is not taken." "Send text/csv, or the media type of XLSX.";
    SheetForm "sheet.form" 422
        "文件不是可读取的表格。" "请用电子表格软件另存为 CSV（UTF-8 或 GB18030）或 XLSX 后重试。"
        "The file is no table that can be read." "Save it as CSV (UTF-8 or GB18030) or as XLSX and try again.";
    SheetUtf16 "sheet.utf-16" 422
        "文件使用 UTF-16 编码。" "请另存为 UTF-8 或 GB18030 编码的 CSV。"
        "The file is in UTF-16." "Save it as CSV in UTF-8 or GB18030.";
    SheetEncoding "sheet.encoding" 422
        "第 {line} 行含有无法识别的字节。" "请另存为 UTF-8 或 GB18030 编码的 CSV 后重试。"
        "Line {line} has octets that cannot be decoded." "Save the file as CSV in UTF-8 or GB18030 and try again.";
    SheetChanged "sheet.changed" 409
        "读取期间文件被更改。" "请等文件写完后重新运行。"
        "The file was changed while it was read." "Wait until it is written, then run the command again.";
    SheetEmpty "sheet.empty" 422
        "表格没有内容。" "第一行应为列名，其后每行一个单位。"
        "The table is empty." "The first line names the columns; each line after it is one unit.";
    SheetTooLarge "sheet.too-large" 413
        "表格过大：{what} 超过上限 {limit}。" "请拆分后分别提交。"
        "The table is too large: {what}, more than {limit}." "Split it and send the parts.";
    SheetCount "sheet.count" 422
        "工作簿有 {found} 个工作表（含隐藏），只能有一个。" "请只保留名单所在的工作表。"
        "The workbook has {found} sheets, hidden ones too; one is needed." "Keep the sheet with the list only.";
    SheetFormula "sheet.formula" 422
        "单元格 {cell} 是公式。" "请用“选择性粘贴：数值”替换公式后重新提交。"
        "Cell {cell} is a formula." "Replace formulas by their values (paste special) and send it again.";
    SheetMerged "sheet.merged" 422
        "单元格 {cells} 被合并。" "请取消合并，每格填写后重新提交。"
        "Cells {cells} are merged." "Unmerge them, fill in each cell and send it again.";
    ColumnUnknown "sheet.column-unknown" 422
        "不认识的列：{column}；可用的列：{known}。" "请更正第一行的列名。"
        "Unknown column: {column}; the columns are {known}." "Correct the first line.";
    ColumnDoubled "sheet.column-doubled" 422
        "列 {column} 出现了两次。" "请删除多余的一列。"
        "Column {column} is there twice." "Remove one of them.";
    ColumnMissing "sheet.column-missing" 422
        "缺少列 {column}。" "请在第一行补上该列。"
        "Column {column} is missing." "Add it to the first line.";
    LineCells "line.cells" 422
        "该行有 {found} 格，应为 {expected} 格。" "请检查逗号和引号。"
        "The line has {found} cells, {expected} are needed." "Check commas and quotation marks.";
    LineDoubled "line.duplicate" 422
        "与第 {line} 行重复（{column}）。" "请只保留其中一行。"
        "The same as line {line} ({column})." "Keep one of them.";
    CellEmpty "cell.empty" 422
        "{column} 为空。" "请填写。"
        "{column} is empty." "Fill it in.";
    CellSpaces "cell.spaces" 422
        "{column} 前后有空格。" "请删除空格。"
        "{column} has spaces before or after it." "Remove them.";
    CellHidden "cell.hidden-character" 422
        "{column} 含有不可见或改变方向的字符 {character}。" "请删除后手工重新输入。"
        "{column} has an invisible or direction-changing character, {character}." "Delete it and type the text again.";
    CellFullWidth "cell.full-width" 422
        "{column} 含有全角字符：{characters}" "请改为半角。"
        "{column} has full-width characters: {characters}" "Type half-width ones.";
    CellFormula "cell.formula" 422
        "{column} 以 =、+、- 或 @ 开头，电子表格会当作公式。" "请更正。"
        "{column} begins with =, +, - or @, which a spreadsheet takes for a formula." "Correct it.";
    CellPrecision "cell.precision" 422
        "{column} 是数值，电子表格已丢失末尾数字。" "请把该列设为文本格式后重新输入。"
        "{column} is a number whose last digits the spreadsheet has lost." "Format the column as text and type it again.";
    CellZeros "cell.leading-zeros" 422
        "{column} 是数值 {found}，电子表格可能已丢失开头的 0。" "请把该列设为文本格式后重新输入。"
        "{column} is the number {found}; the spreadsheet may have lost leading zeros." "Format the column as text and type it again.";
    CellDate "cell.date" 422
        "{column} 是日期。" "请把该列设为文本格式后重新输入。"
        "{column} is a date." "Format the column as text and type it again.";
    CellNumber "cell.number" 422
        "{column} 不是正整数。" "请填写数字。"
        "{column} is not a whole number." "Write it in digits.";
    CellName "cell.name" 422
        "{column} 过长。" "请填写 100 字以内的全称。"
        "{column} is too long." "Write a name of at most 100 characters.";
    CellLookAlike "cell.look-alike" 422
        "{column} 含有与常用字形相似的字符：{characters}" "请对照营业执照核对；确认无误可由受理员放行。"
        "{column} has characters that look like others: {characters}" "Compare it with the licence; a clerk can let it pass.";
    StatementDate "statement.date" 422
        "{column} 不是日期。" "请按 2026-11-23 的格式填写。"
        "{column} is no day." "Write it as 2026-11-23.";
    StatementTransaction "statement.transaction" 422
        "{column} 应为 1 至 64 个可见 ASCII 字符。" "请填写银行的交易流水号。"
        "{column} is not 1 to 64 visible ASCII characters." "Take the bank's number of the transaction.";
    StatementAmount "statement.amount" 422
        "{column} 不是金额。" "请以元填写两位小数，如 200.00，不加逗号，支出为负数，不能为 0.00。"
        "{column} is no amount." "Write yuan with two decimals, as 200.00, without commas, negative when it went out, and not 0.00.";
    StatementLength "statement.length" 422
        "{column} 过长。" "户名最多 200 字，摘要 500 字；请核对列是否错位。"
        "{column} is too long." "A payer has at most 200 characters, a remark 500; check whether columns are shifted.";
    StatementNumber "statement.number-used" 409
        "该交易流水号已按另一金额入账，本行未入账。" "请与银行核对两笔交易；确为另一笔到账的，请在柜台用另一编号登记。"
        "The bank's number was counted with another amount; this line was not counted." "Compare both with the bank; if it is other money, record it at the counter under another number.";
    LabourForm "labour-no.form" 422
        "劳动保障证号应为 8 位数字。" "请更正。"
        "A labour security number has eight digits." "Correct it.";
    CodeNeeded "unit-code.missing" 422
        "统一社会信用代码和组织机构代码都为空。" "请至少填写一个。"
        "Neither a unified social credit code nor an organisation code is there." "Fill in one of them.";
    AgencyUnknown "agency.unknown" 422
        "不认识的参保经办机构。" "请填写 policies/eligibility.toml 中的代码或名称。"
        "The insuring agency is unknown." "Write a code or Chinese name of policies/eligibility.toml.";
    IdCardForm "id-card.form" 422
        "居民身份证号码应为 17 位数字加校验码。" "请对照身份证重新输入。"
        "An identity card number has 17 digits and a check character." "Type it again from the card.";
    IdCardDate "id-card.date" 422
        "居民身份证号码中的出生日期不存在。" "请对照身份证重新输入。"
        "The date of birth in the identity card number does not exist." "Type it again from the card.";
    IdCardCheck "id-card.check-digit" 422
        "居民身份证号码的校验码不正确。" "请对照身份证重新输入。"
        "The check digit of the identity card number is wrong." "Type it again from the card.";
    UnitDiffers "unit.differs" 422
        "{column} 与登记的单位信息不一致。" "请核对该行；登记有误的，先更正登记。"
        "{column} differs from the registered unit's." "Check the line; if the registration is wrong, correct that first.";
    UnitLooksAlike "unit.looks-alike" 422
        "{column} 看起来与登记的名称相同，但字符不同。" "请按登记的名称重新输入。"
        "{column} looks like the registered name and is written with other characters." "Type the registered name.";
    ApplicationOpen "application.open" 409
        "该单位已有未办结的新办申请 {application}。" "请办理已有的申请，不要重复申请。"
        "The unit has an unfinished application for a new certificate, {application}." "Go on with that one.";
    ReviewNeeded "batch.review" 422
        "该行需要人工核对，提交时没有放行。" "请核对后随新名单重新提交。"
        "The line is for review and was not let pass." "Check it and send it with a new list.";
    BatchEmpty "batch.nothing-to-submit" 409
        "名单中没有可以提交的行。" "请更正后重新发送名单。"
        "No line of the list can be submitted." "Correct the list and send it again.";
    BatchDocuments "batch.other-documents" 409
        "该名单已用另一套材料开始提交。" "请用同一套材料继续。"
        "The submission of this list began with other documents." "Go on with the same documents.";
    RegisterDiffers "register.differs" 422
        "与参保单位名册不一致：{fields}" "请核对；确认以申报为准的，填写 register_difference_reason 后重发。"
        "It differs from the register of insured units: {fields}" "Check it; if the form is right, send it with register_difference_reason.";
    RegisterNotInsured "register.not-insured" 422
        "参保单位名册中没有劳动保障证号 {labour_no}。" "请核对证号；确属参保单位的，填写 register_difference_reason 后重发。"
        "The register of insured units has no labour security number {labour_no}." "Check it; if the unit is insured, send it with register_difference_reason.";
    RegisterQuery "register.query" 422
        "请只用 labour_no、uscc、name 中的一个查询，名称至少 2 字。" "请更正查询条件。"
        "Ask by one of labour_no, uscc and name; of a name at least 2 characters." "Correct the query.";
    RegisterOtherFile "register.other-file" 409
        "另一个文件的导入尚未完成（已处理 {lines} 行）。" "请用原文件继续，或先运行 import-register --abandon 放弃它。"
        "The import of another file is not finished ({lines} lines are done)." "Go on with that file, or throw it away with import-register --abandon.";
    RegisterInForce "register.in-force" 409
        "该文件就是现行名册，没有再次导入。" "请确认文件。"
        "This file is the register in force already; nothing was imported." "Check which file you mean.";
    RegisterBad "register.too-many-bad" 422
        "{bad} 行有问题，占 {lines} 行的比例超过 {limit}%，名册没有启用。" "请更正文件；确认可以接受的，加 --accept-bad 再次运行。"
        "{bad} of {lines} lines are bad, more than {limit} %: the register was not activated." "Correct the file, or run it again with --accept-bad.";
    RegisterShrinks "register.shrinks" 422
        "新名册有 {rows} 个单位，不到现行名册 {before} 个的一半，没有启用。" "请核对文件是否完整；确认无误的，加 --accept-shrink 再次运行。"
        "The new register has {rows} units, fewer than half of the {before} in force: it was not activated." "Check whether the file is complete, or run it again with --accept-shrink.";
    RegisterNoRows "register.no-rows" 422
        "文件中没有可用的单位，名册没有启用。" "请更正文件。"
        "No line of the file is a unit: the register was not activated." "Correct the file.";
    RegisterNothing "register.nothing-staged" 409
        "没有未完成的导入。" "无须放弃。"
        "No import is unfinished." "There is nothing to abandon.";
    CounterUnknown "counter.unknown" 422
        "不认识的窗口。" "请填写 policies/counters.toml 中的代码或名称：{known}"
        "The counter is unknown." "Write a code of policies/counters.toml: {known}";
    SlotUnknown "appointment.slot-unknown" 422
        "该窗口没有 {slot} 这个时段。" "可用时段：{known}"
        "The counter has no slot {slot}." "The slots are {known}";
    DayClosed "appointment.day-closed" 422
        "{day} 不是工作日。" "请选择工作日（policies/calendar.toml）。"
        "{day} is not a working day." "Choose a working day (policies/calendar.toml).";
    DayPast "appointment.day-past" 422
        "{day} 已过去，或在一年之后。" "请选择今天起一年之内的日期。"
        "{day} is over, or more than a year away." "Choose a day within a year from today.";
    DayToCome "appointment.day-to-come" 409
        "预约日 {day} 还没有到。" "请在当天或之后登记结果。"
        "The day of the appointment, {day}, is still to come." "Record it on that day or later.";
    SlotFull "appointment.full" 409
        "{day} {slot} 的名额已满。" "请选择其他时段或日期。"
        "{day} {slot} is full." "Choose another slot or day.";
    NoCertificate "auth.no-certificate" 401
        "没有出示证书。" "请插入您的 U-key 后重试。"
        "No certificate was presented." "Insert your U-key and try again.";
    UnknownCertificate "auth.unknown-certificate" 403
        "出示的证书不是本机构签发给工作人员的。" "请使用本机构发给您的 U-key。"
        "The certificate was not issued to a member of staff here." "Use the U-key that you were given here.";
    CertificateNotGood "auth.certificate-not-good" 403
        "您的证书状态为 {state}，不能使用。" "请联系管理员。"
        "Your certificate is {state} and cannot be used." "Ask the administrator.";
    NotPermitted "auth.not-permitted" 403
        "您的岗位不能执行此操作（{action}）。" "请由有权限的同事办理。"
        "Your role may not do this ({action})." "Ask a colleague whose role may.";
    UsccForm "uscc.form" 422
        "统一社会信用代码应为 18 位，且不含 I、O、S、V、Z。" "请对照营业执照重新输入，注意数字 0 与字母 O。"
        "A unified social credit code has 18 characters, none of I, O, S, V, Z." "Type it again from the licence; mind 0 and O.";
    UsccCheck "uscc.check-digit" 422
        "统一社会信用代码的校验位是 {found}，应为 {expected}。" "请对照营业执照重新输入。"
        "The code's check digit is {found}, computed {expected}." "Type it again from the licence.";
    OrgCodeForm "org-code.form" 422
        "组织机构代码应为 8 位数字或大写字母加 1 位校验码。" "请对照组织机构代码证重新输入；已换发营业执照的单位请用统一社会信用代码。"
        "An organisation code has eight digits or capital letters and a check." "Type it again from its certificate; a unit with a new licence uses the unified code.";
    OrgCodeCheck "org-code.check-digit" 422
        "组织机构代码的校验码是 {found}，应为 {expected}。" "请对照组织机构代码证重新输入。"
        "The organisation code's check is {found}, computed {expected}." "Type it again from its certificate.";
    Field "field.invalid" 422
        "字段 {field} 不符合要求：{detail}" "请更正后重发。"
        "Field {field} is not acceptable: {detail}" "Correct it and send it again.";
    Duplicate "duplicate" 409
        "{object} 已经登记过。" "请查询已有记录，不要重复登记。"
        "{object} is registered already." "Look up the record that is there.";
    UnitUnknown "unit.unknown" 422
        "没有登记过单位 {uscc}。" "请先在柜台登记单位。"
        "Unit {uscc} is not registered." "Register the unit at the counter first.";
    UnitNotEligible "unit.not-eligible" 422
        "该单位的参保经办机构 {agency} 不在受理范围（{basis}）。" "请向参保地人社部门咨询；若参保机构登记有误，请先更正。"
        "Units insured by {agency} are excluded ({basis})." "Ask the bureau where it is insured; if the agency was entered wrongly, have it corrected.";
    UnitAgencyUnclear "unit.agency-unclear" 422
        "该单位的参保经办机构（{agency}）没有现行规则，无法判断是否受理。" "请核对参保经办机构后重新登记，或请管理员补充 policies/eligibility.toml。"
        "There is no rule in force for the unit's insuring agency ({agency})." "Check the agency and enter it again, or have policies/eligibility.toml completed.";
    UnitEnded "unit.ended" 422
        "该单位已于 {since} 合并或注销。" "不能再办理新证书；在用证书请申请吊销。"
        "The unit was merged or dissolved on {since}." "Nothing new is made for it; have its certificates revoked.";
    UnitChanged "unit.changed" 409
        "单位名称或代码在录入后已变更，申请上的仍是旧的。" "请由受理员更正申请后再审核。"
        "The unit's name or code has changed since the application was entered." "Have the application corrected, then decide it.";
    UnitCodeKnown "unit.code-known" 409
        "组织机构代码 {org_code} 的单位已以 {code} 登记。" "不要重复登记：请为该单位记录“换发代码”事项。"
        "The unit with organisation code {org_code} is registered as {code}." "Do not register it twice: record the event new-code for it.";
    GateClosed "gate.closed" 422
        "有 {count} 项条件未满足：" "请按列出的各项逐一办理后再提交。"
        "{count} conditions are not met:" "See to each of them, then submit again.";
    CpsOutdated "cps.outdated" 422
        "申请人须接受现行电子认证业务规则 {current} 版，收到的是“{accepted}”。" "请出示现行版本（/cps），由申请人确认后填写 cps。"
        "Statement {current} is in force and must be accepted, not \"{accepted}\"." "Show the current one (/cps), have it accepted, and give its version in cps.";
    CertificateUnfit "certificate.unfit" 409
        "证书状态为 {state}，不能申请 {kind}。" "请查询证书当前状态，改用合适的业务。"
        "The certificate is {state}: {kind} cannot be asked for." "Look at its state and choose another operation.";
    LogInFailed "log-in.failed" 401
        "用户名或密码不正确，或账户暂时锁定。" "请核对后再试；连续错 5 次后锁定 15 分钟，可到柜台重置。"
        "User name or password is wrong, or the account is locked for a while." "Check and try again; five wrong ones lock it for 15 minutes, the counter can reset it.";
    SessionNone "log-in.needed" 401
        "没有登录，或登录已过期。" "请重新登录。"
        "Nobody is logged in, or the session has ended." "Log in again.";
    PasswordInitial "password.initial" 403
        "初始密码须先更改。" "请设置自己的密码后再办理。"
        "The initial password must be replaced first." "Set a password of your own, then go on.";
    PasswordWrong "password.wrong" 403
        "原密码不正确。" "请重新输入。"
        "The old password is wrong." "Type it again.";
    PasswordWeak "password.weak" 422
        "密码不符合要求：{detail}" "请用 8 至 128 个字符，不含用户名，且不是常见密码。"
        "The password is not acceptable: {detail}" "Take 8 to 128 characters, not the user name, and none that is common.";
    AgentUnknown "agent.unknown" 422
        "没有登记过该经办人。" "请先在柜台登记经办人。"
        "The agent is not registered." "Register the agent at the counter first.";
    AgentKnown "agent.known" 409
        "该证件号码已登记为经办人 {agent}。" "请使用已有的登记，不要把同一个人登记两次。"
        "This number is registered already, as agent {agent}." "Use that registration: one person is registered once.";
    AgentErased "agent.erased" 409
        "该经办人的个人信息已于 {at} 按保存期限删除，登记不能再使用。" "请本人携带证件到柜台重新登记。"
        "The agent's personal data was erased at {at}, after the time for which it had to be kept." "Let the person come to the counter with their papers and register anew.";
    IdCardEntered "agent.id-card-entered" 409
        "该经办人已登记有身份证号码，不能更改。" "请核对经办人；若是另一个人，请另行登记。"
        "The agent's identity card number is entered already and cannot be replaced." "Check the agent; another person is registered apart.";
    KeptPair "agent.kept.pair" 409
        "该经办人仍代理单位 {unit}，个人信息不能删除。" "请先办理经办人离任，再等待保存期满。"
        "The agent acts for unit {unit}: the personal data cannot be erased." "End the pair first, then wait until the time is over.";
    KeptApplication "agent.kept.application" 409
        "证书申请 {application} 尚未办结，个人信息不能删除。" "请先办结或撤回该申请。"
        "Application {application} is not over: the personal data cannot be erased." "Finish or withdraw it first.";
    KeptTraining "agent.kept.training" 409
        "培训申请 {training} 尚未办结，个人信息不能删除。" "请先办结或撤回该申请。"
        "Training application {training} is not over: the personal data cannot be erased." "Finish or withdraw it first.";
    KeptCertificate "agent.kept.certificate" 409
        "证书 {serial} 失效后的法定保存期至 {until} 才满，个人信息不能删除。" "请在期满后再删除（《电子签名法》第二十四条）。"
        "What concerns certificate {serial} must be kept until {until}: the personal data cannot be erased." "Erase it after that time.";
    KeptEvent "agent.kept.event" 409
        "该经办人最后一次办理业务后的保存期至 {until} 才满，个人信息不能删除。" "请在期满后再删除。"
        "The agent's last business must be kept until {until}: the personal data cannot be erased." "Erase it after that time.";
    KeptUnclear "agent.kept.unclear" 409
        "无法计算保存期满的日期，个人信息不能删除。" "请核对该经办人各项记录的日期。"
        "The end of the time cannot be computed: the personal data cannot be erased." "Check the dates of the agent's records.";
    TrainingNotNeeded "training.not-needed" 409
        "该经办人已取得业务操作资格，无须再次培训。" "请提交《多单位用户(CA)经办人确认申请表》，确认其代理本单位。"
        "The agent is qualified: no further training is needed." "Confirm the pair of agent and unit instead.";
    SessionFull "training.session-full" 409
        "本场培训的 {seats} 个座位已满。" "请安排到另一场培训。"
        "All {seats} seats of the session are taken." "Choose another session.";
    SessionOver "training.session-over" 409
        "本场培训已于 {starts_at} 开始。" "请安排到另一场培训。"
        "The session began at {starts_at}." "Choose a session that is still to come.";
    SessionToCome "training.session-to-come" 409
        "本场培训 {starts_at} 才开始，不能登记结果。" "请在培训后登记。"
        "The session begins at {starts_at}: there are no results yet." "Record them after the session.";
    NotInvited "training.not-invited" 409
        "该经办人没有本场培训的座位。" "请核对场次和经办人，或先邀请。"
        "The agent has no seat in this session." "Check session and agent, or invite the agent first.";
    AgentNotQualified "agent.not-qualified" 422
        "经办人尚未通过培训。" "请先安排并通过培训。"
        "The agent has not passed the training." "Let the agent pass the training first.";
    AgentNotConfirmed "agent.not-confirmed" 422
        "经办人尚未被确认代理该单位。" "请先提交经办人确认申请表。"
        "The agent is not confirmed for this unit." "Confirm the pair of agent and unit first.";
    DocumentMissing "document.missing" 422
        "缺少材料：{documents}" "请补齐后再提交。"
        "Documents are missing: {documents}" "Add them and submit again.";
    YearsOutside "years.outside-tariff" 422
        "不能购买 {asked} 年，只能购买 1 至 {most} 年。" "请更改年限。"
        "{asked} years cannot be bought, only 1 to {most}." "Choose another number of years.";
    SamePerson "same-person" 403
        "录入人不能审核自己录入的申请。" "请由另一位审核人员办理。"
        "Who entered an application cannot decide it." "Another officer must decide it.";
    WrongState "wrong-state" 409
        "当前状态为 {state}，不能执行 {command}。" "请刷新查看当前状态和下一步。"
        "In state {state}, {command} is not possible." "Look at the current state and its next step.";
    Stale "stale" 409
        "别人刚刚更改了 {object}。" "请刷新后再操作。"
        "Somebody else has just changed {object}." "Look again, then act.";
    RenewalNone "renewal.none" 404
        "没有为证书 {serial} 提出的续期、换钥或变更申请。" "请先在柜台申请并缴费。"
        "Nobody has applied for a renewal, rekey or change of certificate {serial}." "Apply for it and pay the fee first.";
    RenewalNotReady "renewal.not-ready" 409
        "申请的状态为 {state}，尚不能执行。" "请先完成审核与缴费。"
        "The application is {state}: it cannot be executed yet." "Have it approved and paid first.";
    RenewalTooLong "renewal.too-long" 422
        "续期后证书有效期将达 {days} 天，最长 {most} 天。" "请减少年限，或在临近到期时再续期。"
        "The renewed certificate would be valid for {days} days, at most {most}." "Take fewer years, or renew nearer to the end.";
    SuccessorDoubled "successor.doubled" 409
        "证书 {serial} 已有续期、换钥、补办或变更申请。" "请办理已有的那份申请，不要重复申请。"
        "There is an application for the successor of certificate {serial} already." "Go on with that one; do not apply twice.";
    RenewalByHolder "renewal.by-holder" 409
        "续期、换钥和变更由持证单位在自己的 U-key 上执行。" "请单位运行 ukey renew；不要在柜台制证。"
        "Renewal, rekey and change are executed by the holder, on the holder's own token." "Let the unit run ukey renew; nothing is made at the counter.";
    MakesNoCertificate "application.makes-no-certificate" 409
        "“{kind}”申请不产生证书，不能制证。" "需要证书时请另提新办或补办申请。"
        "Nothing is made of an application of kind {kind}." "For a certificate, apply for a new one or a replacement.";
    EstLabel "est.label" 404
        "没有名为 {label} 的证书模板。" "EST 标签应为 policies/profiles 中的模板名，也可以不写。"
        "There is no profile {label}." "The EST label is the name of a profile in policies/profiles, or absent.";
    EstOtherProfile "est.other-profile" 403
        "该证书按模板 {profile} 签发，不能在标签 {label} 下续期。" "请使用标签 {profile}，或不写标签。"
        "The certificate is of profile {profile} and is not renewed under the label {label}." "Use the label {profile}, or none.";
    EstNotAllowed "est.not-allowed" 403
        "模板 {profile} 不允许通过 EST 续期。" "请在 U-key 上运行 ukey renew。"
        "The profile {profile} does not allow to renew over EST." "Run ukey renew with the U-key.";
    EstNoEnrollment "est.no-enrollment" 403
        "首次申领不通过 EST 办理：单位的密钥在柜台的 U-key 中产生。" "请到柜台申请；已有证书的，续期请用 simplereenroll。"
        "First enrollment never goes over EST: a unit's key is born on a U-key at the counter." "Apply at a counter; to renew a certificate use simplereenroll.";
    EstCertificate "est.certificate" 403
        "出示的证书不是本机构签发给单位的。" "请出示要续期的证书。"
        "The certificate was not issued to a unit here." "Present the certificate that is to be renewed.";
    EstMediaType "est.media-type" 415
        "请求的媒体类型是 {found}。" "请以 application/pkcs10 发送。"
        "The request's media type is {found}." "Send application/pkcs10.";
    EstBody "est.body" 400
        "请求正文无法读取：{detail}" "请发送 DER 编码证书请求的 base64，不带 PEM 首尾行。"
        "The body cannot be read: {detail}" "Send the base64 of the request's DER, without PEM lines.";
    EstCsr "est.csr" 400
        "证书请求被拒绝（{rule}）：{detail}" "请按 csrattrs 生成请求；主题与要续期的证书相同，不要求其他内容。"
        "The certificate request is refused ({rule}): {detail}" "Make it as csrattrs says, with the subject of the certificate to be renewed, asking for nothing else.";
    EstPending "est.pending" 202
        "请求已收到，尚无结果。" "请在 {seconds} 秒后发送同一请求。"
        "The request has been received; there is no answer yet." "Send the same request after {seconds} seconds.";
    EstUnpaid "est.unpaid" 403
        "申请已批准，尚未缴费。" "请先缴费，再发送同一请求。"
        "The application is approved and not paid." "Pay the fee, then send the same request.";
    EstSameKey "est.same-key" 403
        "请求使用了原证书的密钥，策略不允许，或该密钥在 U-key 内。" "请生成新的密钥对后重新请求。"
        "The request has the key of the old certificate: the profile does not allow that, or a token has the key." "Make a new key pair and a new request.";
    EstKeyUsed "est.key-used" 409
        "该公钥已用于另一张证书，或用于一次中断的签发。" "请生成新的密钥对后重新请求；不会重复收费。"
        "This public key was used for another certificate, or in a signing that was interrupted." "Make a new key pair and a new request; nothing is charged twice.";
    EstByToken "est.by-token" 409
        "该续期已在 U-key 上开始。" "请运行 ukey renew 完成，或请柜台放弃该次制证。"
        "This renewal has begun on the U-key." "Finish it with ukey renew, or have the counter give that attempt up.";
    EstOtherKey "est.other-key" 409
        "已为此申请的另一个密钥签发了证书。" "请用那个密钥的请求再发一次；密钥已丢失的，请柜台放弃该次制证。"
        "A certificate for another key was made of this application." "Send the request with that key again; when the key is lost, have the counter give that attempt up.";
    EstUnderWay "est.under-way" 409
        "该续期正在通过 EST 办理。" "请再发一次那个 EST 请求，或请柜台放弃该次制证。"
        "This renewal is under way over EST." "Send that EST request again, or have the counter give that attempt up.";
    EstNoToken "est.no-token" 409
        "证书 {serial} 的密钥没有 U-key 的证明，不能在 U-key 上续期。" "请通过 EST 续期，或到柜台申请新证书。"
        "No U-key gave evidence of the key of certificate {serial}, so it is not renewed on one." "Renew over EST, or apply for a new certificate at a counter.";
    CertificateOfOther "certificate.of-other-unit" 422
        "证书 {serial} 不属于该单位。" "请核对单位和证书序列号。"
        "Certificate {serial} is not this unit's." "Check the unit and the certificate's serial number.";
    OrderState "order.state" 409
        "订单状态为 {state}，不能执行 {command}。" "请查询订单的最新状态后再办理。"
        "The order is {state}: {command} is not possible." "Look the order up again, then act.";
    OrderPayers "order.payers" 422
        "订单 {order} 的状态为 {state}，不能合并。" "只能合并尚未收款的应付订单。"
        "Order {order} is {state}: it cannot be collected." "Collect orders that are due and of which nothing was paid.";
    AmountTooMuch "amount.too-much" 422
        "金额 {asked} 超过可办理的上限 {most}。" "请按不超过上限的金额办理。"
        "{asked} is more than what is possible: {most}." "Take an amount within the limit.";
    CreditNone "credit.none" 422
        "付款人 {payer} 没有可用余额。" "请收款后再办理。"
        "The payer {payer} has no credit." "Take a payment instead.";
    TariffNone "tariff.none" 503
        "当前没有生效的收费标准。" "请管理员核对 policies/fees.toml 的生效日期。"
        "No tariff is in force." "Have the administrator check valid-from in policies/fees.toml.";
    PaymentShort "payment.short" 422
        "应收 {due}，实收 {paid}。" "请收足全款后再登记。"
        "{due} is due, {paid} was given." "Take the whole sum, then record it.";
    PaymentOver "payment.over" 422
        "应收 {due}，实收 {paid}，多收了款项。" "请退还多收部分，按应收金额登记。"
        "{due} is due, {paid} was given: too much." "Give back the rest and record what is due.";
    PaidAlready "payment.doubled" 409
        "该申请已经付清，或收据号已用过。" "请勿重复收款；核对收据号。"
        "It is paid already, or the receipt number was used." "Do not take money twice; check the receipt number.";
    PaidTwice "online-payment.paid-twice" 409
        "这笔在线支付已由交易 {first} 付清，又收到交易 {second}。" "请人工核对两笔交易，退还多收的一笔。"
        "This online payment was paid by transaction {first}; transaction {second} came as well." "Let a person compare the two and give one back.";
    OnlinePaymentOpen "online-payment.open" 409
        "该订单已有一笔可支付的在线支付 {id}（{gateway}，{amount}）。" "请完成或先关闭该笔在线支付。"
        "The order has an online payment that can still be paid: {id} ({gateway}, {amount})." "Finish that one, or close it first.";
    GatewayRefused "gateway.refused" 502
        "支付网关 {gateway} 拒绝了请求（{code}）。" "没有收款；请稍后再试或改用其他方式付款。"
        "The gateway {gateway} refused ({code})." "No money was taken; try again later, or pay another way.";
    GatewayAway "gateway.away" 503
        "支付网关 {gateway} 没有可信的答复，结果未知。" "请再次提交同一请求；不会重复收款。"
        "The gateway {gateway} gave no answer that counts; what it did is not known." "Send the same request again; nothing is taken twice.";
    GatewayUnknown "gateway.unknown" 404
        "没有配置名为 {gateway} 的支付网关。" "请核对名称，或由管理员在 [[gateway]] 中配置。"
        "No gateway named {gateway} is configured." "Check the name, or let the administrator configure it under [[gateway]].";
    GatewaySignature "gateway.signature" 401
        "支付网关的签名无效（{rule}）：{detail}" "没有记账；请管理员核对 [[gateway]] 的密钥、算法和双方时钟。"
        "The gateway's signature does not count ({rule}): {detail}" "Nothing was recorded; check the key and algorithm under [[gateway]] and both clocks.";
    GatewayNotice "gateway.notice" 400
        "支付网关的通知无法读取：{detail}" "没有记账；请支付网关按接口约定更正。"
        "The gateway's notice cannot be read: {detail}" "Nothing was recorded; let the gateway keep to the protocol.";
    GatewayMismatch "gateway.mismatch" 409
        "支付网关的通知与支付单不符（{field}）：{detail}" "没有记账；请人工与支付网关核对。"
        "The gateway's notice does not fit the payment ({field}): {detail}" "Nothing was recorded; let a person ask the gateway.";
    ReceiptFont "receipt.font" 503
        "收据字体不可用：{detail}" "请安装软件包 fonts-wqy-microhei，或在 [receipts] 的 font 中填写字体文件。"
        "The font of receipts cannot be used: {detail}" "Install the package fonts-wqy-microhei, or name a font file in font under [receipts].";
    ReceiptGlyph "receipt.character" 422
        "收据字体中没有字符 {character}（{code_point}），没有生成收据。" "请在 [receipts] 的 font 中填写含有该字符的字体文件。"
        "The font of receipts has no character {character} ({code_point}); no receipt was made." "Name a font file that has it in font under [receipts].";
    KeyUsed "key.used" 409
        "该公钥已经用过。" "请在 U-key 上重新生成密钥。"
        "This public key was used before." "Make a new key pair on the token.";
    Csr "csr.refused" 422
        "证书请求被拒绝（{rule}）：{detail}" "请在 U-key 上重新生成证书请求。"
        "The certificate request is refused ({rule}): {detail}" "Make a new request on the token.";
    Lint "certificate.lint" 500
        "待签证书不符合规则：{findings}" "没有签名，也没有收费变化；请联系管理员。"
        "The certificate to be signed breaks rules: {findings}" "Nothing was signed; ask the administrator.";
    SignatureUnknown "signature.unknown" 503
        "签名结果不明，该序列号已作废。" "请重新开始制证；不会重复收费。"
        "The outcome of the signature is unknown; its serial number is burned." "Start again; nothing is charged twice.";
    ActivationCode "activation.code" 422
        "激活码不正确，还可以再试 {left} 次。" "请核对短信中的激活码。"
        "The activation code is wrong; {left} tries are left." "Check the code in the message.";
    ActivationLocked "activation.locked" 403
        "激活码已错 3 次。" "请携带 U-key 和身份证件到柜台办理。"
        "Three wrong activation codes." "Come to the counter with the U-key and your identity card.";
    RevokedForEver "revoked-for-ever" 409
        "证书已吊销，不能恢复。" "请申请新证书。"
        "The certificate is revoked, for ever." "Apply for a new certificate.";
    ReasonUnknown "reason.unknown" 422
        "不认识的吊销原因：{found}" "可用：keyCompromise、affiliationChanged、superseded、cessationOfOperation、privilegeWithdrawn、unspecified。"
        "Unknown revocation reason: {found}" "Use keyCompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn or unspecified.";
    ClockBack "clock.back" 503
        "系统时钟倒退，已停止签发。" "请校准时钟；证书状态查询不受影响。"
        "The clock went back; issuing has stopped." "Set the clock right; status is still served.";
    RenewalRunning "root-crl.running" 409
        "另一个 root-crl 正在运行，或在十五秒内运行过；没有签名。" "请等待十五秒后再次运行。"
        "Another root-crl is running, or ran within fifteen seconds; nothing was signed." "Wait fifteen seconds and run it again.";
    ListLine "list.line" 422
        "清单第 {line} 行不是证书序列号：{found}；没有吊销任何证书。" "请更正该行（十六进制序列号，每行一个），再执行一次。"
        "Line {line} of the list is no serial number: {found}; nothing was revoked." "Correct it (hexadecimal, one in each line), and run it again.";
    ListEmpty "list.empty" 422
        "清单里没有证书序列号。" "请每行写一个十六进制序列号。"
        "The list names no serial number." "Write one in each line, hexadecimal.";
    ListUnknown "list.unknown" 409
        "清单中有 {count} 个序列号不属于本 CA（例如 {first}）；没有吊销任何证书。" "请核对清单；确认无误后加 --skip-unknown 再执行。"
        "{count} numbers of the list are of no certificate of ours ({first} for one); nothing was revoked." "Check the list; if it is right, run it again with --skip-unknown.";
    ListCount "list.count" 409
        "将吊销 {found} 张证书，而不是 {told} 张；没有吊销任何证书。" "请先用 --dry-run 查看影响，再用其给出的数量确认。"
        "{found} certificates would become invalid, not {told}; nothing was revoked." "Look at what would happen with --dry-run, and confirm the number that it gives.";
    CrlGuard "crl.guard" 409
        "新的 CRL 与上一份不衔接（{detail}），没有发布；上一份继续有效。" "数据库可能丢失了数据：请停止写入，核对数据库和备份，再由系统自动重试。"
        "The new CRL does not follow from the last one ({detail}); it was not published, and the last one stays." "The database may have lost rows: stop writing to it and compare it with its backups. The server tries again by itself.";
    CrlClock "crl.clock" 503
        "服务器的时钟比正在发布的 CRL 落后 {behind} 秒，没有发布新的 CRL；上一份继续有效。" "请核对服务器的时钟。如果现在的时间正确、之前走快了，到时会自动发布；其间 OCSP 不受影响。"
        "The server's clock is {behind} s behind the CRL that is served; no new one was published, and the last one stays." "Check the server's clock. If it is right now and ran ahead before, the next CRL comes by itself once that time is reached; OCSP answers all the while.";
    NoticeNoAddress "notice.no-address" 409
        "单位没有登记邮箱。" "请登记单位的联系方式，再重发这条消息。"
        "The unit has no mail address." "Write down how the unit is reached, then have the message sent again.";
    NoticeRefused "notice.refused" 502
        "邮件服务器拒绝了这封邮件（{detail}）。" "请核对单位的邮箱地址，更正后重发这条消息。"
        "The mail server refuses the message ({detail})." "Check the unit's mail address, correct it, and have the message sent again.";
    NoticeUnreachable "notice.unreachable" 503
        "对方没有收下消息：{detail}" "会自动重试；如一直失败，请管理员检查 [notices] 配置、网络和对方服务。"
        "The other side did not take the message: {detail}" "It is tried again by itself; when it keeps failing, let the administrator check [notices], the network and the other side.";
    NoticeUnconfigured "notice.unconfigured" 503
        "没有配置这种发送方式：{detail}" "请管理员在 [notices] 中配置，然后重发这条消息。"
        "This way of sending is not configured: {detail}" "Let the administrator configure it under [notices], then have the message sent again.";
    Busy "busy" 503
        "系统繁忙。" "请稍候用同一个 Idempotency-Key 重发。"
        "The server is busy." "Send the same request, with the same Idempotency-Key, a little later.";
    Internal "internal" 500
        "服务器内部错误，编号 {id}。" "请把编号告诉管理员；重发是安全的。"
        "Internal error {id}." "Tell the administrator the number; sending again is safe.";
} } }

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_rule_has_its_own_name_and_both_languages() {
        let names: HashSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            let ((zh, zh_remedy), (en, en_remedy)) = (rule.texts(Language::Zh), rule.texts(Language::En));
            assert!(zh.chars().any(|c| c > '\u{2e80}') && en.is_ascii(), "{rule:?}");
            assert!(!zh_remedy.is_empty() && !en_remedy.is_empty(), "{rule:?}");
            assert_eq!(placeholders(zh), placeholders(en), "{rule:?}");
        }
    }

    fn placeholders(text: &str) -> HashSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
    }
}
