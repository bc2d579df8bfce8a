//! Rules about money that came later than the others: the same table, in a file of its own.

macro_rules! with_money {
    ($make:ident! { $($others:tt)* }) => { $make! { $($others)*

    Currency "payment.currency" 422
        "币种为 {found}，只收人民币（CNY）。" "请按人民币收款。"
        "The currency is {found}; only CNY is taken." "Take the payment in yuan.";
    RenewalDeclined "renewal.declined" 409
        "证书 {serial} 的续期申请已被撤回或驳回，系统不会再自动生成。" "需要续期时，请在柜台录入续期申请。"
        "A renewal of certificate {serial} was withdrawn or rejected: none is made by itself any more." "Enter one at the counter when it is wanted.";
    RenewalUnitChanged "renewal.unit-changed" 409
        "单位名称或代码与证书上的不同。" "请在柜台办理证书变更（change），再续期。"
        "The unit's name or code is not what the certificate says." "Apply for a change at the counter, then for the renewal.";
    RenewalImported "renewal.imported" 409
        "证书 {serial} 由旧系统导入，没有可沿用的申请。" "请在柜台录入续期申请。"
        "Certificate {serial} came from another system: there is no application to go by." "Enter the renewal at the counter.";
    Arrears "order.arrears" 409
        "订单 {order} 的付款已被银行或网关收回，尚未补缴。" "请先补缴（chargebacks 的 settlement），再办理。"
        "A payment for order {order} was taken back by the bank or the gateway, and is missing." "Have it paid again (the chargeback's settlement), then go on.";
    UnitInArrears "unit.arrears" 409
        "单位有一笔付款已被银行或网关收回，尚未补缴。" "请先补缴。"
        "A payment of the unit was taken back by the bank or the gateway, and is missing." "Have it paid again first.";
    ChargebackNoOrder "chargeback.no-order" 422
        "这笔款项还没有对应的订单。" "请先把它对应到订单；不属于任何订单的款项，由银行直接退回。"
        "The payment is for no order yet." "Assign it to one first; money that belongs to no order is nobody's arrears.";
    InvoiceKind "invoice.form.kind" 422
        "发票种类（{field}）只能是 ordinary 或 special。" "普通发票填 ordinary，增值税专用发票填 special。"
        "{field} is neither ordinary nor special." "Write ordinary, or special for an invoice whose tax the buyer deducts.";
    InvoiceTitle "invoice.form.title" 422
        "发票抬头（{field}）不符合要求。" "请填写 1 至 100 个字，不含换行、控制字符、改变方向或零宽的字符，前后不留空格。"
        "{field}, the buyer's name, cannot stand on an invoice." "Write 1 to 100 characters, none of them a control, direction or zero-width character, and no space before or after.";
    InvoiceMissing "invoice.form.missing" 422
        "这种发票缺少 {field}。" "单位发票须填 tax_number；专用发票还须填 address、phone、bank、account，普通发票要填就四项都填。"
        "This invoice needs {field}." "Of a unit give tax_number; for a special invoice address, phone, bank and account, too; on an ordinary one all four or none.";
    InvoiceUnwanted "invoice.form.unwanted" 422
        "开给个人的发票不填 {field}。" "请去掉 {field}，只留抬头（title）和收票邮箱（mail）。"
        "An invoice to a person has no {field}." "Leave {field} out: title and mail are enough.";
    InvoicePersonSpecial "invoice.form.person-special" 422
        "增值税专用发票不能开给个人（{field}）。" "请把 {field} 改为 ordinary。"
        "A special invoice is written to a unit only ({field})." "Write ordinary in {field}.";
    InvoiceNoTaxNumber "invoice.form.no-tax-number" 422
        "单位登记的不是统一社会信用代码，没有纳税人识别号（{field}）。" "请先在柜台登记单位的统一社会信用代码，再申请发票。"
        "The unit is on record without a unified social credit code, and so has no tax number ({field})." "Have its unified social credit code recorded at the counter first.";
    InvoiceTaxForm "invoice.form.tax-number" 422
        "纳税人识别号（{field}）不是统一社会信用代码。" "请照营业执照填写 18 位数字和大写字母（不含 I、O、S、V、Z）。"
        "{field} is not a unified social credit code." "Copy it from the business licence: 18 digits and capital letters without I, O, S, V and Z.";
    InvoiceTaxCheck "invoice.form.tax-number-check" 422
        "纳税人识别号（{field}）校验位应为 {expected}，不是 {found}。" "请照营业执照逐位核对。"
        "The check character of {field} should be {expected}, not {found}." "Compare it with the business licence, character by character.";
    InvoiceOtherUnit "invoice.form.other-unit" 422
        "纳税人识别号（{field}）不是付款单位的统一社会信用代码。" "发票只开给付款单位：请填它自己的代码。"
        "{field} is not the payer's unified social credit code." "An invoice is written to the unit that paid: give its own code.";
    InvoiceText "invoice.form.text" 422
        "{field} 不符合要求。" "请填写 1 至 {most} 个字，不含换行、控制字符、改变方向或零宽的字符，前后不留空格。"
        "{field} cannot stand on an invoice." "Write 1 to {most} characters, none of them a control, direction or zero-width character, and no space before or after.";
    InvoicePhone "invoice.form.phone" 422
        "电话（{field}）不符合要求。" "请填写 11 位手机号，或带区号的座机号。"
        "{field} is not a telephone number." "Write a mobile number of 11 digits, or a landline with its area code.";
    InvoiceAccount "invoice.form.account" 422
        "银行账号（{field}）不符合要求。" "请填写 6 至 32 位数字，中间可以有空格或连字符。"
        "{field} is not an account number." "Write 6 to 32 digits; spaces and hyphens may stand between them.";
    InvoiceMail "invoice.form.mail" 422
        "收票邮箱（{field}）不符合要求。" "请填写 name@example.com 这样的地址，只用英文字符，最多 254 个。"
        "{field} is not a mail address." "Write one as name@example.com, in ASCII, 254 characters at most.";
    InvoiceAmount "invoice.form.amount" 422
        "开票金额（{field}）须大于 0。" "请填写以分为单位的金额；开具全部可开金额时不填。"
        "{field} is not more than nothing." "Give the amount in fen, or leave it out for all that can be invoiced.";
    InvoiceNumber "invoice.number" 422
        "发票号码（{field}）须为 8 位或 20 位数字。" "请照税务系统给出的号码填写，数电发票为 20 位。"
        "{field} is not a number of the tax bureau." "Copy it from the invoice: 8 digits, or 20 of a fully digital one.";
    InvoiceReasons "invoice.reasons" 422
        "不予开具的原因（{field}）不符合要求。" "请填写 1 至 500 个字，不含控制字符；付款人会看到。"
        "{field} cannot be told to the payer." "Write 1 to 500 characters without control characters; the payer reads them.";
    InvoiceSameNumber "invoice.same-number" 422
        "红字发票的号码（{field}）与原发票相同。" "请填写红字发票自己的号码。"
        "{field} is the number of the invoice that is taken back." "Give the number of the red-letter invoice itself.";
    InvoiceErased "invoice.erased" 410
        "发票 {id} 上的内容和文件已随付款人的个人信息删除。" "号码、金额和状态仍可查询；内容不能恢复。"
        "What stood on invoice {id}, and its file, was erased with the payer's personal data." "Its number, amount and state are still there; the rest cannot be brought back.";
    KeptInvoice "agent.kept.invoice" 409
        "发票 {invoice} 尚未开具，个人信息不能删除。" "请先开具该发票，或不予开具并说明原因。"
        "Invoice {invoice} is still to be written: the personal data cannot be erased." "Write it first, or refuse it with reasons.";
    InvoiceNothing "invoice.nothing" 422
        "订单 {order} 没有可开票的金额。" "已付款、未退款且未开票的部分才能开票；请先付款，或查询已有的发票。"
        "There is nothing to invoice of order {order}." "What was paid, not given back and is on no invoice can be invoiced: pay first, or look at the invoices that are there.";
    InvoiceFile "invoice.file" 415
        "这不是 PDF、OFD 或 XML 格式的发票文件（{found}）。" "请用对应的媒体类型上传税务系统给出的原文件。"
        "This is no invoice in PDF, OFD or XML ({found})." "Send the tax bureau's own file with its media type.";
    ShiftDifference "shift.difference" 409
        "柜台 {counter} {day} 的账实不符，未能结账：" "请按列出的各项核对：补录或更正记录，或重新清点，再结账。"
        "The day {day} of counter {counter} does not agree, and is not closed:" "Go through what is listed: record what is missing, or count again, then close.";
    ShiftTokens "shift.tokens" 409
        "U-key 应余 {expected} 个，清点为 {found} 个；当日已发放 {rows}。" "核对领入、报废和已发放的 U-key。"
        "{expected} tokens should be left, {found} were counted; handed over: {rows}." "Check those that came in, were spoiled and were handed over.";
    ShiftMoney "shift.money" 409
        "{method} 应收 {expected}，清点为 {found}；收据：{rows}。" "逐张核对收据和退款。"
        "{method}: {expected} by the receipts, {found} were counted; receipts: {rows}." "Check each receipt and pay-out.";
    ShiftLog "shift.log" 409
        "制证 {certificates} 张，日志记录 {entries} 条：{rows}。" "请立即告知管理员和审计员。"
        "{certificates} certificates were made and the log says {entries}: {rows}." "Tell the administrator and the auditor at once.";
    ShiftClosed "shift.closed" 409
        "柜台 {counter} 今天（{day}）已结账。" "明天再办理；确需今天办理的，请两人重新开账（reopen）。"
        "Counter {counter} has closed its day ({day})." "Do it tomorrow; if it must be today, have the day opened again by two persons (reopen).";
    PersonWanted "person-wanted" 409
        "该申请由人录入，不能按规则自动批准。" "请由另一名审核员审核。"
        "A person entered the application: the policy cannot approve it." "Let an officer who did not enter it decide.";
    TransferSent "transfer.sent" 409
        "该转账流水号已登记为另一笔退款或退回。" "请与银行核对，填写这笔转出自己的流水号。"
        "The bank's number is recorded for another refund or return already." "Check it with the bank: each transfer has a number of its own.";

    } };
}
