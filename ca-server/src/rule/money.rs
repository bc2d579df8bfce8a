//! Rules about money that came later than the others: the same table, in a file of its own.

macro_rules! with_money {
    ($make:ident! { $($others:tt)* }) => { $make! { $($others)*

    RenewalDeclined "renewal.declined" 409
        "证书 {serial} 的续期申请已被撤回或驳回，系统不会再自动生成。" "需要续期时，请在柜台录入续期申请。"
        "A renewal of certificate {serial} was withdrawn or rejected: none is made by itself any more." "Enter one at the counter when it is wanted.";
    RenewalUnitChanged "renewal.unit-changed" 409
        "单位名称或代码与证书上的不同。" "请在柜台办理证书变更（change），再续期。"
        "The unit's name or code is not what the certificate says." "Apply for a change at the counter, then for the renewal.";
    RenewalImported "renewal.imported" 409
        "证书 {serial} 由旧系统导入，没有可沿用的申请。" "请在柜台录入续期申请。"
        "Certificate {serial} came from another system: there is no application to go by." "Enter the renewal at the counter.";
    PersonWanted "person-wanted" 409
        "该申请由人录入，不能按规则自动批准。" "请由另一名审核员审核。"
        "A person entered the application: the policy cannot approve it." "Let an officer who did not enter it decide.";
    InvoiceKind "invoice.kind" 422
        "发票种类不正确。" "请填写 ordinary（普通发票）或 special（专用发票）。"
        "There is no such kind of invoice." "Write ordinary or special.";
    InvoiceTitle "invoice.title" 422
        "发票抬头为空、过长，或含有控制符、不可见字符。" "请删除后手工重新输入，1 至 100 个字。"
        "The title is empty, too long, or has control or invisible characters." "Delete it and type it again, 1 to 100 characters.";
    InvoiceMissing "invoice.missing" 422
        "这张发票缺少 {field}。" "请填写；专用发票须有地址、电话、开户行和账号。"
        "The invoice needs {field}." "Fill it in; a special invoice needs address, phone, bank and account.";
    InvoiceUnwanted "invoice.unwanted" 422
        "开给个人的发票不填 {field}。" "请去掉这一项；需要单位抬头的，由单位付款。"
        "An invoice to a person has no {field}." "Leave it out; for a unit's invoice let the unit pay.";
    InvoicePersonSpecial "invoice.person-special" 422
        "专用发票只开给单位。" "请选择普通发票。"
        "A special invoice is written to a unit only." "Choose an ordinary one.";
    InvoiceNoTaxNumber "invoice.no-tax-number" 409
        "该单位以组织机构代码登记，没有纳税人识别号。" "请先在柜台为单位记录“换发代码”事项。"
        "The unit is registered with an organisation code and has no tax number." "Record the event new-code for it at the counter first.";
    InvoiceOtherUnit "invoice.other-unit" 422
        "纳税人识别号不是付款单位的统一社会信用代码。" "发票只开给付款人，请填写付款单位自己的代码。"
        "The tax number is not the payer's unified social credit code." "An invoice is written to whoever paid: fill in the payer's own code.";
    InvoiceText "invoice.text" 422
        "{field} 为空、过长，或含有控制符、不可见字符。" "请手工重新输入，1 至 {most} 个字。"
        "{field} is empty, too long, or has control or invisible characters." "Type it again, 1 to {most} characters.";
    InvoicePhone "invoice.phone" 422
        "电话号码不正确。" "请填写 11 位手机号，或带区号的固定电话。"
        "The telephone number is not one." "Write a mobile number of 11 digits, or a landline with its area code.";
    InvoiceAccount "invoice.account" 422
        "银行账号不正确。" "请填写 6 至 32 位数字。"
        "The account number is not one." "Write its 6 to 32 digits.";
    InvoiceMail "invoice.mail" 422
        "收票邮箱不正确。" "请按 name@example.com 的格式填写。"
        "The mail address is not one." "Write it as name@example.com.";
    InvoiceAmount "invoice.amount" 422
        "开票金额应大于零。" "请以分填写金额。"
        "An invoice is over more than nothing." "Write the amount in fen.";
    InvoiceNumber "invoice.number" 422
        "发票号码应为 8 位或 20 位数字。" "请对照发票重新输入。"
        "An invoice number has eight or twenty digits." "Type it again from the invoice.";
    InvoiceSameNumber "invoice.same-number" 422
        "红字发票的号码不能与原发票相同。" "请填写红字发票自己的号码。"
        "A red-letter invoice has a number of its own." "Write that number.";
    InvoiceNumberUsed "invoice.number-used" 409
        "这个发票号码已登记过。" "请核对号码；一个号码只用一次。"
        "This invoice number is recorded already." "Check the number: each is used once.";
    InvoiceFile "invoice.file" 415
        "不是发票文件。" "请上传 PDF、OFD 或 XML 文件，媒体类型须与内容相符。"
        "This is no file of an invoice." "Send PDF, OFD or XML under its own media type.";
    InvoiceFileSize "invoice.file-size" 413
        "发票文件超过 {limit} 字节的上限。" "请换用较小的版式文件。"
        "The invoice's file is larger than {limit} bytes." "Send a smaller one.";
    KeptInvoice "agent.kept.invoice" 409
        "该经办人申请的发票 {invoice} 尚未开具，个人信息不能删除。" "请先开具或退回该发票申请。"
        "Invoice {invoice} that the agent asked for is not written: the personal data cannot be erased." "Issue or refuse it first.";

    } };
}
