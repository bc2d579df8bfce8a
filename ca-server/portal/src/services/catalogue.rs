//! The services and their fields (the Ministry's indicators in the comments), as few as the filing needs.

use super::{Choice, Field, Kind, Service, check::Values, ethnicity::ETHNICITIES};
use crate::language::Text;

const fn need(name: &'static str, label: Text, kind: Kind) -> Field {
    Field { name, label, hint: Text("", ""), kind, required: true }
}

const fn may(name: &'static str, label: Text, kind: Kind) -> Field {
    Field { name, label, hint: Text("", ""), kind, required: false }
}

const fn hint(field: Field, hint: Text) -> Field {
    Field { hint, ..field }
}

const REMARK: Field = may("remark", Text("备注", "Remark"), Kind::Text(200)); // AAE013
const PERSON_NO: Field = hint(
    need("person_no", Text("个人编号", "Person number"), Kind::PersonNumber), // BAC001
    Text("6 到 20 位数字，见建档回执", "6 to 20 digits, as the person file's receipt says"),
);
const NAME: Field = need("name", Text("姓名", "Name"), Kind::Name); // AAC003
const ID_NUMBER: Field = hint(
    need("id_number", Text("证件号码", "Document number"), Kind::IdNumber), // AAC147
    Text("居民身份证为 18 位", "18 characters for a resident identity card"),
);
const INSURANCES: &[Choice] = &[
    Choice("pension", Text("企业职工基本养老保险", "Pension")),
    Choice("unemployment", Text("失业保险", "Unemployment")),
    Choice("medical", Text("基本医疗保险", "Medical")),
    Choice("injury", Text("工伤保险", "Work injury")),
    Choice("maternity", Text("生育保险", "Maternity")),
];
const INSURANCE: Field = need("insurance", Text("险种", "Insurances"), Kind::Many(INSURANCES)); // AAE140
const EMPLOYMENT: &[Choice] = &[
    Choice("full-time", Text("全日制", "Full-time")),
    Choice("part-time", Text("非全日制", "Part-time")),
    Choice("dispatch", Text("劳务派遣", "Dispatched")),
];

/// 人员建档; 人员批量建档 has the same fields, a line for each person.
pub(crate) static PERSON: Service = Service {
    name: "person",
    title: Text("人员建档", "Person file"),
    about: Text(
        "为首次参加本市社会保险的人员建立档案。",
        "A file for a person who is new to the city's insurance.",
    ),
    fields: &[
        need(
            "id_kind", // AAC058
            Text("证件类型", "Document"),
            Kind::One(&[
                Choice("id-card", Text("居民身份证", "Resident identity card")),
                Choice("permit", Text("港澳台居民居住证", "Residence permit (Hong Kong, Macao, Taiwan)")),
                Choice("foreigner", Text("外国人永久居留身份证", "Foreign permanent resident's card")),
                Choice("passport", Text("护照", "Passport")),
            ]),
        ),
        ID_NUMBER,
        NAME,
        need(
            "sex",
            Text("性别", "Sex"),
            Kind::One(&[Choice("male", Text("男", "Male")), Choice("female", Text("女", "Female"))]),
        ), // AAC004
        need("born", Text("出生日期", "Date of birth"), Kind::Date), // AAC006
        need("ethnicity", Text("民族", "Ethnicity"), Kind::One(ETHNICITIES)), // AAC005
        need(
            "household", // AAC009
            Text("户口性质", "Household"),
            Kind::One(&[
                Choice("urban", Text("城镇", "Urban")),
                Choice("rural", Text("农村", "Rural")),
                Choice("none", Text("无（港澳台及外国人员）", "None (from outside the mainland)")),
            ]),
        ),
        hint(
            need("area", Text("户籍区划", "Household's area"), Kind::Area), // AAB299
            Text("6 位行政区划代码，如 320104", "Six digits, as 320104"),
        ),
        need("address", Text("户籍地址", "Household's address"), Kind::Text(100)), // AAC010
        need(
            "education", // AAC011
            Text("文化程度", "Education"),
            Kind::One(&[
                Choice("doctor", Text("博士研究生", "Doctor")),
                Choice("master", Text("硕士研究生", "Master")),
                Choice("bachelor", Text("大学本科", "Bachelor")),
                Choice("college", Text("大学专科", "College")),
                Choice("secondary", Text("高中（含中专、技校）", "Senior secondary, vocational")),
                Choice("junior", Text("初中及以下", "Junior secondary or less")),
            ]),
        ),
        hint(need("mobile", Text("手机号码", "Mobile telephone"), Kind::Mobile), Text("11 位", "11 digits")), // AAC067
        need(
            "reason", // ABCA11
            Text("建档原因", "Reason"),
            Kind::One(&[
                Choice("first", Text("首次就业", "First employment")),
                Choice("transfer", Text("外地转入", "Comes from elsewhere")),
                Choice("other", Text("其他", "Other")),
            ]),
        ),
        may("work_since", Text("参加工作日期", "At work since"), Kind::Date), // AAC007
        may("residence", Text("常住地址", "Residence"), Kind::Text(100)),     // AAE006
        REMARK,
    ],
    across: person,
};

/// 录用备案登记
static HIRE: Service = Service {
    name: "hire",
    title: Text("录用备案登记", "Hire filing"),
    about: Text(
        "录用之日起 30 日内办理；参保之前先办理。",
        "Within 30 days of the hire, and before insurance is joined.",
    ),
    fields: &[
        PERSON_NO,
        NAME,
        ID_NUMBER,
        need(
            "contract", // ABC910
            Text("合同类别", "Contract"),
            Kind::One(&[
                Choice("fixed", Text("固定期限", "Fixed term")),
                Choice("open", Text("无固定期限", "Open-ended")),
                Choice("task", Text("以完成一定工作任务为期限", "Until a task is done")),
            ]),
        ),
        need("begins", Text("合同开始日期", "Contract begins"), Kind::Date), // ABC913
        hint(
            may("ends", Text("合同终止日期", "Contract ends"), Kind::Date), // ABC914
            Text("固定期限合同必填，无固定期限不填", "Needed for a fixed term, empty for an open-ended one"),
        ),
        may("probation", Text("试用期至", "Probation until"), Kind::Date),
        need("post", Text("岗位（工种）", "Post"), Kind::Text(50)), // ACA111
        hint(
            need("wage", Text("月工资（元）", "Monthly wage (yuan)"), Kind::Money),
            Text("如 5600.00", "As 5600.00"),
        ), // BCC720
        need("employment", Text("就业形式", "Employment"), Kind::One(EMPLOYMENT)),
        hint(
            may("works_at", Text("用工单位", "Works at"), Kind::Text(100)), // ABC954
            Text("劳务派遣必填", "Needed for a dispatched person"),
        ),
        REMARK,
    ],
    across: hire,
};

/// 终解备案登记
static END: Service = Service {
    name: "end",
    title: Text("终解备案登记", "End-of-contract filing"),
    about: Text(
        "终止或解除之日起 15 日内办理；原因决定能否领取失业保险金。",
        "Within 15 days of the end. The reason decides about unemployment benefit.",
    ),
    fields: &[
        PERSON_NO,
        NAME,
        ID_NUMBER,
        hint(
            need("contract_no", Text("合同编号", "Contract number"), Kind::Text(40)),
            Text("没有编号的，填录用备案回执号", "Without one, the receipt number of the hire filing"),
        ),
        need("ended", Text("终止（解除）日期", "Date of the end"), Kind::Date), // ABC916
        need(
            "reason", // ABC917
            Text("终止（解除）原因", "Reason"),
            Kind::One(&[
                Choice("expiry", Text("合同期满", "Term is over")),
                Choice("agreement-unit", Text("单位提出，协商一致", "Agreed, the unit proposed it")),
                Choice("agreement-person", Text("个人提出，协商一致", "Agreed, the person proposed it")),
                Choice("resignation", Text("个人辞职", "Resignation")),
                Choice("fault", Text("单位因个人过失解除", "Dismissal for a fault")),
                Choice("no-fault", Text("单位无过失性解除", "Dismissal without a fault")),
                Choice("layoff", Text("经济性裁员", "Layoff")),
                Choice("retirement", Text("退休", "Retirement")),
                Choice("death", Text("死亡", "Death")),
                Choice("unit-ended", Text("单位破产、关闭、撤销", "The unit ended")),
            ]),
        ),
        need(
            "proof_no",
            Text("证明书（决定书）编号", "Number of the certificate or decision"),
            Kind::Text(40),
        ),
        hint(
            may("resigned", Text("本人辞职申请日期", "Date of the resignation letter"), Kind::Date),
            Text("个人辞职必填", "Needed for a resignation"),
        ),
        REMARK,
    ],
    across: end,
};

/// 单位员工参保
static JOIN: Service = Service {
    name: "join",
    title: Text("单位员工参保", "Join insurance"),
    about: Text(
        "先办理录用备案。缴费基数由经办机构按年度上下限核定。",
        "File the hire first. The agency sets the base within the year's limits.",
    ),
    fields: &[
        PERSON_NO,
        NAME,
        ID_NUMBER,
        INSURANCE,
        need("from", Text("参保日期", "Insured from"), Kind::Date), // AAC030
        hint(
            need("wage", Text("缴费工资（元）", "Wage that counts (yuan)"), Kind::Money),
            Text("如 5600.00", "As 5600.00"),
        ), // AAC040
        need("employment", Text("用工形式", "Employment"), Kind::One(EMPLOYMENT)),
        REMARK,
    ],
    across: |_| None,
};

/// 单位员工中止保险办理
static STOP: Service = Service {
    name: "stop",
    title: Text("单位员工中止保险办理", "Stop insurance"),
    about: Text("先办理终解备案。", "File the end of the contract first."),
    fields: &[
        PERSON_NO,
        NAME,
        ID_NUMBER,
        INSURANCE,
        need(
            "change", // AAC050
            Text("变更类型", "Change"),
            Kind::One(&[
                Choice("suspend", Text("暂停缴费", "Payment stops")),
                Choice("transfer", Text("转出", "Goes elsewhere")),
                Choice("end", Text("终止参保", "Insurance ends")),
            ]),
        ),
        need(
            "reason", // AAE160
            Text("变更原因", "Reason"),
            Kind::One(&[
                Choice("contract-ended", Text("终止或解除劳动合同", "The contract ended")),
                Choice("retirement", Text("退休", "Retirement")),
                Choice("death", Text("死亡", "Death")),
                Choice("enlisted", Text("参军", "Joined the army")),
                Choice("other", Text("其他（请在备注说明）", "Other (say which in the remark)")),
            ]),
        ),
        need("from", Text("变更日期", "Date of the change"), Kind::Date), // AAE035
        REMARK,
    ],
    across: stop,
};

/// In the order of the guide.
pub(crate) static SERVICES: [&Service; 5] = [&PERSON, &HIRE, &END, &JOIN, &STOP];

pub(crate) const BATCH: Text = Text("人员批量建档", "Person files from a table");

pub(crate) fn service(name: &str) -> Option<&'static Service> {
    SERVICES.into_iter().find(|service| service.name == name)
}

fn person(values: &Values) -> Option<(&'static str, Text)> {
    let number = values.get("id_number").filter(|number| number.len() == 18);
    if let (Some(number), Some("id-card")) = (number, values.get("id_kind")) {
        let born: String = values.get("born")?.split('-').collect();
        if number.get(6..14) != Some(born.as_str()) {
            return Some((
                "born",
                Text(
                    "出生日期与身份证号码不符。请核对两者。",
                    "This is not the date in the identity card number. Compare the two.",
                ),
            ));
        }
        let odd = number.get(16..17)?.parse::<u8>().ok()? % 2 == 1;
        if odd != (values.get("sex") == Some("male")) {
            return Some((
                "sex",
                Text(
                    "性别与身份证号码不符。请核对两者。",
                    "The identity card number says otherwise. Compare the two.",
                ),
            ));
        }
    }
    let early = values.get("work_since").is_some_and(|since| Some(since) <= values.get("born"));
    early.then_some((
        "work_since",
        Text("参加工作日期早于出生日期。请改正。", "This is before the birth. Correct it."),
    ))
}

fn hire(values: &Values) -> Option<(&'static str, Text)> {
    let (begins, ends) = (values.get("begins"), values.get("ends"));
    match (values.get("contract"), ends) {
        (Some("fixed"), None) => {
            return Some((
                "ends",
                Text("固定期限合同须填写终止日期。", "A fixed term needs its end. Fill it in."),
            ));
        }
        (Some("open"), Some(_)) => {
            return Some((
                "ends",
                Text("无固定期限合同没有终止日期。请清空。", "An open-ended contract has no end. Empty it."),
            ));
        }
        _ => {}
    }
    if ends.is_some() && ends < begins {
        return Some((
            "ends",
            Text("终止日期早于开始日期。请改正。", "This is before the beginning. Correct it."),
        ));
    }
    let probation = values.get("probation");
    if probation.is_some() && (probation < begins || ends.is_some() && probation > ends) {
        return Some((
            "probation",
            Text("试用期须在合同期内。请改正。", "Probation lies within the contract. Correct it."),
        ));
    }
    match (values.get("employment"), values.get("works_at")) {
        (Some("dispatch"), None) => {
            Some(("works_at", Text("劳务派遣须填写用工单位。", "Say where the dispatched person works.")))
        }
        (Some("full-time" | "part-time"), Some(_)) => Some((
            "works_at",
            Text("只有劳务派遣才填写用工单位。请清空。", "For dispatched persons only. Empty it."),
        )),
        _ => None,
    }
}

fn end(values: &Values) -> Option<(&'static str, Text)> {
    let resigned = values.get("resigned");
    match (values.get("reason"), resigned) {
        (Some("resignation"), None) => Some((
            "resigned",
            Text("个人辞职须填写辞职申请日期。", "A resignation needs the date of its letter."),
        )),
        (Some("resignation"), Some(_)) if resigned > values.get("ended") => {
            Some(("resigned", Text("辞职申请晚于解除日期。请改正。", "This is after the end. Correct it.")))
        }
        _ => None,
    }
}

fn stop(values: &Values) -> Option<(&'static str, Text)> {
    let unsaid = values.get("reason") == Some("other") && values.get("remark").is_none();
    unsaid.then_some((
        "remark",
        Text("原因为“其他”时，请在备注中说明。", "Say in the remark which other reason."),
    ))
}
