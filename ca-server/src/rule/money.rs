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
    InvoiceForm "invoice.form" 422
        "发票信息不符合要求：{detail}" "请按提示更正抬头（title）、纳税人识别号（tax_number，须与付款单位的统一社会信用代码一致）、专票所需的地址电话和开户行账号、收票邮箱（mail）后重发。"
        "The invoice cannot be written so: {detail}" "Correct title, tax_number (the payer's unified social credit code), for a special invoice address, phone, bank and account, and mail, then send it again.";
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
