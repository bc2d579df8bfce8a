//! An export without findings, and ways to spoil it. Its certificates are made by rcgen, which the checks do not use.

mod money;

use std::io::Cursor;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use serde_json::{Value, json};

use crate::{Options, Report, Rule, Violation, check, octets::Octets, x509};

pub(crate) const CLERK: &str = "00000000000000000000000000000c1e";
pub(crate) const OFFICER: &str = "000000000000000000000000000000ff";
pub(crate) const USCC: &str = "91350100M000100Y43";
/// The serial number of [`Export::add_open_intent`].
pub(crate) const OPEN: &str = "01cccccccccccccccccccccccccccccccccc";
const BURNED: &str = "01dddddddddddddddddddddddddddddddddd";

/// 2026-01-01 and 2027-01-01.
const NOT_BEFORE: i64 = 1_767_225_600_000;
const NOT_AFTER: i64 = 1_798_761_600_000;

/// [`Violation::Differs`].
pub(crate) fn differs(what: &'static str, found: &str, expected: &str) -> Violation {
    Violation::Differs { what, found: found.to_owned(), expected: expected.to_owned() }
}

/// A root, an issuing CA, and what they sign.
pub(crate) struct Pki {
    root: (rcgen::Certificate, KeyPair),
    issuing: (rcgen::Certificate, KeyPair),
}

impl Pki {
    pub(crate) fn new() -> Self {
        let (root_key, issuing_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root_params = ca("Root");
        let root = root_params.self_signed(&root_key).unwrap();
        let issuing =
            ca("Issuing").signed_by(&issuing_key, &Issuer::from_params(&root_params, &root_key)).unwrap();
        Self { root: (root, root_key), issuing: (issuing, issuing_key) }
    }

    /// The same names with other keys.
    pub(crate) fn new_other() -> Self {
        Self::new()
    }

    pub(crate) fn root_pem(&self) -> String {
        self.root.0.pem()
    }

    pub(crate) fn issuing_pem(&self) -> String {
        self.issuing.0.pem()
    }

    /// A unit certificate.
    pub(crate) fn unit(&self, serial: &[u8]) -> Vec<u8> {
        self.sign(&unit(serial))
    }

    /// What the root would never sign.
    pub(crate) fn end_entity_of_root(&self) -> Vec<u8> {
        let issuer = ca("Root");
        let key = KeyPair::generate().unwrap();
        unit(&[1; 18]).signed_by(&key, &Issuer::from_params(&issuer, &self.root.1)).unwrap().der().to_vec()
    }

    fn sign(&self, params: &CertificateParams) -> Vec<u8> {
        let issuer = ca("Issuing");
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &Issuer::from_params(&issuer, &self.issuing.1)).unwrap().der().to_vec()
    }
}

fn ca(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn unit(serial: &[u8]) -> CertificateParams {
    let mut params = named("Unit");
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::EmailProtection,
        ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 36]),
    ];
    let value = [&[0x13, 18], USCC.as_bytes()].concat();
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 2, 156, 10260, 4, 1, 4], value)];
    params
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params
}

/// Rows of an export, and the keys of those that tests spoil.
pub(crate) struct Export {
    pub(crate) pki: Pki,
    rows: Vec<Value>,
    pub(crate) unit: String,
    pub(crate) application: String,
    pub(crate) payment: String,
    pub(crate) attempt: String,
    /// Of the unit's certificate.
    pub(crate) serial: String,
    entries: i64,
}

impl Export {
    /// A ceremony, one unit with one application, paid, issued, handed over, activated; two CRLs.
    pub(crate) fn clean() -> Self {
        let serial = [1, 0xab].repeat(9);
        let mut export = Self {
            pki: Pki::new(),
            rows: Vec::new(),
            unit: "a".repeat(32),
            application: "b".repeat(32),
            payment: "c".repeat(32),
            attempt: "d".repeat(32),
            serial: hex::encode(&serial),
            entries: 0,
        };
        export.add_ceremony();
        export.add_paper();
        let der = export.pki.unit(&serial);
        export.add_issued("unit-sign", "issuing", &der);
        let serial = export.serial.clone();
        export.change("status", "serial", &serial, "state", json!("good"));
        export.log("deliver-token", &serial, json!({}));
        export.log("activate-certificate", &serial, json!({}));
        export.add(json!({ "table": "status_epoch", "id": 1, "epoch": 2 }));
        export.add(json!({ "table": "crl_number", "issuer": "issuing", "shard": 0, "number": 2 }));
        for number in [1, 2] {
            export.add(json!({
                "table": "crl", "issuer": "issuing", "shard": 0, "number": number, "epoch": number, "der": "30",
                "this_update": NOT_BEFORE + number, "next_update": NOT_AFTER,
            }));
        }
        export
    }

    fn add_ceremony(&mut self) {
        let (root, issuing) = (self.pki.root.0.der().to_vec(), self.pki.issuing.0.der().to_vec());
        let mut responder = unit(&[2; 18]);
        responder.custom_extensions.clear();
        let responder = self.pki.sign(&responder);
        for (name, der) in [("root", &root), ("issuing", &issuing), ("ocsp", &responder)] {
            self.add(
                json!({ "table": "ca_certificate", "name": name, "der": hex::encode(der), "at": NOT_BEFORE }),
            );
        }
        self.add_issued("root-ca", "root", &root);
        self.add_issued("issuing-ca", "root", &issuing);
        self.add_issued("ocsp-signer", "issuing", &responder);
    }

    fn add_paper(&mut self) {
        let (unit, application, payment) =
            (self.unit.clone(), self.application.clone(), self.payment.clone());
        self.add(json!({ "table": "unit", "id": unit, "code": USCC, "name": "单位" }));
        self.add(json!({
            "table": "application", "id": application, "unit": unit, "unit_name": "单位", "unit_code": USCC,
            "profile": "unit-sign", "years": 1, "kind": "new", "certificate": null, "entered_by": CLERK, "entered_before": [], "state": "active", "decided_by": null, "payment": null,
        }));
        let payer = format!("unit:{unit}");
        self.add(json!({
            "table": "fee_order", "id": "01", "payer": payer, "state": "paid", "total_fen": 20_000, "waived_fen": 0,
            "received_fen": 20_000, "refunded_fen": 0, "invoiced_fen": 0,
        }));
        self.add(json!({
            "table": "charge", "application": application, "fee_order": "01", "kind": "new", "total_fen": 20_000,
            "waived_fen": 0, "refunded_fen": 0, "earned_fen": 20_000, "live": 1,
        }));
        self.add(json!({
            "table": "payment", "id": payment, "fee_order": "01", "payer": payer, "method": "cash", "reference": "R1",
            "amount_fen": 20_000,
        }));
        for (id, reason, cause, debit, credit) in [
            (1, "payment", payment.as_str(), "cash", payer.as_str()),
            (2, "payment", payment.as_str(), payer.as_str(), "order:01"),
            (3, "delivery", application.as_str(), "order:01", "revenue:new"),
        ] {
            self.add(json!({
                "table": "posting", "id": id, "reason": reason, "cause": cause, "debit": debit, "credit": credit,
                "amount_fen": 20_000,
            }));
        }
        for name in [payer.as_str(), "order:01"] {
            self.add(json!({ "table": "ledger_account", "name": name, "balance_fen": 0 }));
        }
        let attempt = self.attempt.clone();
        self.add(
            json!({ "table": "attempt", "id": attempt, "application": application, "state": "delivered" }),
        );
        self.log("submit-application", &application, json!({}));
        let approval = self.log("approve-application", &application, json!({}));
        self.change("audit", "id", &approval.to_string(), "actor", json!(format!("staff:{OFFICER}")));
        self.log("record-payment", &payment, json!({ "amount": "20000", "receipt": "R1" }));
    }

    /// Key, intent, certificate, status and log entries of one certificate; its serial number.
    fn add_issued(&mut self, profile: &str, issuer: &str, der: &[u8]) -> String {
        let (tbs, spki, serial) = parts(der);
        let of_unit = profile == "unit-sign";
        let of_unit = |value: &str| if of_unit { json!(value) } else { Value::Null };
        let (unit, application, token) =
            (of_unit(&self.unit), of_unit(&self.application), of_unit("token-1"));
        let key = json!({ "table": "public_key", "spki_sha256": spki, "unit": unit, "token": token });
        let columns = json!({
            "serial": serial, "issuer": issuer, "profile": profile, "unit": unit, "application": application,
            "not_before": NOT_BEFORE, "not_after": NOT_AFTER, "shard": 0,
        });
        let with = |table: &str, more: Value| {
            let mut row = columns.clone();
            let members = row.as_object_mut().unwrap();
            members.insert("table".to_owned(), json!(table));
            members.extend(more.as_object().unwrap().clone());
            row
        };
        let intent = with("intent", json!({ "tbs": tbs, "spki_sha256": spki, "token": token }));
        let sha256 = Octets::sha256(der).to_string();
        let certificate = with("certificate", json!({ "der": hex::encode(der), "sha256": sha256 }));
        let state = if application.is_null() { "good" } else { "not-activated" };
        for row in [key, intent, certificate, json!({ "table": "status", "serial": serial, "state": state })]
        {
            self.add(row);
        }
        self.log("record-intent", &serial, json!({}));
        self.log("issue-certificate", &serial, json!({ "sha256": sha256 }));
        serial
    }

    /// A second certificate for the application, on a key of its own; its serial number.
    pub(crate) fn add_certificate(&mut self) -> String {
        let der = self.pki.unit(&[3; 18]);
        self.add_issued("unit-sign", "issuing", &der)
    }

    pub(crate) fn add_open_intent(&mut self) {
        self.add_intent(OPEN);
        self.add(json!({ "table": "open_intent", "serial": OPEN }));
    }

    pub(crate) fn add_burned(&mut self) {
        self.add_intent(BURNED);
        self.add(json!({ "table": "status", "serial": BURNED, "state": "burned" }));
        self.log("burn-serial", BURNED, json!({ "reason": "unknown" }));
    }

    pub(crate) fn burned(&self) -> String {
        BURNED.to_owned()
    }

    fn add_intent(&mut self, serial: &str) {
        let mut intent = self.row("intent", "serial", &self.serial);
        let spki = Octets::sha256(serial.as_bytes()).to_string();
        let (unit, token) = (&intent["unit"], &intent["token"]);
        self.add(json!({ "table": "public_key", "spki_sha256": spki, "unit": unit, "token": token }));
        intent["serial"] = json!(serial);
        intent["spki_sha256"] = json!(spki);
        self.add(intent);
        self.log("record-intent", serial, json!({}));
    }

    /// Puts a bent certificate in the place of the unit's.
    pub(crate) fn replace_certificate(&mut self, bend: impl FnOnce(&mut CertificateParams)) {
        let serial = self.serial.clone();
        let mut params = unit(&hex::decode(&serial).unwrap());
        bend(&mut params);
        let der = self.pki.sign(&params);
        self.change("certificate", "serial", &serial, "der", json!(hex::encode(der)));
    }

    pub(crate) fn add(&mut self, row: Value) {
        self.rows.push(row);
    }

    /// A log entry of what was done; its number.
    pub(crate) fn log(&mut self, action: &str, object: &str, detail: Value) -> i64 {
        self.entries += 1;
        self.add(json!({
            "table": "audit", "id": self.entries, "at": NOT_BEFORE + self.entries, "actor": format!("staff:{CLERK}"),
            "action": action, "object": "object", "object_id": object, "rule": null, "detail": detail,
        }));
        self.entries
    }

    /// The only row of a table with this value.
    pub(crate) fn row(&self, table: &str, column: &str, value: &str) -> Value {
        let mut found = self.rows.iter().filter(|row| is(row, table, column, value));
        let row = found.next().unwrap().clone();
        assert!(found.next().is_none(), "{table}.{column} = {value} is not one row");
        row
    }

    /// All rows of a table.
    pub(crate) fn rows_of(&self, table: &str) -> Vec<&Value> {
        self.rows.iter().filter(|row| row["table"] == table).collect()
    }

    pub(crate) fn remove(&mut self, table: &str, column: &str, value: &str) {
        let before = self.rows.len();
        self.rows.retain(|row| !is(row, table, column, value));
        assert!(self.rows.len() < before, "no {table}.{column} = {value}");
    }

    pub(crate) fn change(&mut self, table: &str, column: &str, value: &str, other: &str, to: Value) {
        let mut changed = 0;
        for row in self.rows.iter_mut().filter(|row| is(row, table, column, value)) {
            row[other] = to.clone();
            changed += 1;
        }
        assert!(changed > 0, "no {table}.{column} = {value}");
    }

    fn entry(&self, action: &str, object: &str) -> String {
        let entry = |row: &&Value| is(row, "audit", "action", action) && row["object_id"] == object;
        self.rows.iter().find(entry).unwrap()["id"].to_string()
    }

    pub(crate) fn remove_entry(&mut self, action: &str, object: &str) {
        let id = self.entry(action, object);
        self.remove("audit", "id", &id);
    }

    pub(crate) fn change_entry(&mut self, action: &str, object: &str, column: &str, to: Value) {
        let id = self.entry(action, object);
        self.change("audit", "id", &id, column, to);
    }

    /// As `ca-server export` would write it.
    pub(crate) fn text(&self) -> String {
        self.rows.iter().map(|row| format!("{row}\n")).collect()
    }

    pub(crate) fn report(&self, options: Options) -> Report {
        check(Cursor::new(self.text()), options).unwrap()
    }

    pub(crate) fn violations(&self, rule: Rule) -> Vec<(&'static str, String, Violation)> {
        self.violations_with(rule, Options::default())
    }

    pub(crate) fn violations_with(
        &self,
        rule: Rule,
        options: Options,
    ) -> Vec<(&'static str, String, Violation)> {
        let report = self.report(options);
        let of_rule = report.findings().iter().filter(|finding| finding.rule == rule).cloned();
        of_rule.map(|finding| (finding.table, finding.key, finding.violation)).collect()
    }
}

fn is(row: &Value, table: &str, column: &str, value: &str) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    row["table"] == table && row.get(column).is_some_and(|found| text(found) == value)
}

/// To-be-signed octets, SHA-256 of the public key, serial number: hexadecimal.
fn parts(der: &[u8]) -> (String, String, String) {
    let certificate = x509::parse(der).unwrap();
    let spki = Octets::sha256(certificate.public_key().raw).to_string();
    (hex::encode(certificate.tbs_certificate.as_ref()), spki, hex::encode(certificate.raw_serial()))
}
