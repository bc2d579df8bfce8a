//! The export: what the auditor's program reads.

use std::collections::BTreeMap;

use ca_core::{Action, CertificateState, DeliveryState, ImportState, NoticeChannel, Staff};
use ca_store::{DeliveryRecord, RegisterRow, Store, StoreError, testing::databases};
use serde_json::{Value, json};

use crate::world::*;

fn register_row(line: i32) -> RegisterRow {
    RegisterRow {
        line,
        uscc: None,
        org_code: Some("40001327X".into()),
        labour_no: (30_000_000 + line).to_string(),
        name: "甲".into(),
        agency: "nanjing".into(),
        region: None,
    }
}

fn fill(store: &Store) {
    enroll(store);
    write(store, |tx| {
        personalising(tx, 1)?;
        personalising(tx, 2)?;
        tx.insert_staff(&Staff {
            id: clerk(),
            name: unit().name,
            roles: vec!["clerk".into()],
            certificate: serial(7).to_string(),
        })?;
        tx.confirm_pair(&agent().id, &unit().id, NOW, "operator:root")?;
        tx.claim_idempotency("staff:a", "k", &digest(3), "r", NOW)?;
        tx.next_crl_number("issuing", 0)?;
        tx.acquire_lease("crl", "a", NOW, 1)?;
        let notice = notice(1);
        tx.insert_notice(&notice)?;
        tx.insert_delivery(&DeliveryRecord {
            notice: notice.id,
            channel: NoticeChannel::Mail,
            state: DeliveryState::due(NOW),
        })?;
        tx.put_contact(&unit().id, &contact(), NOW, "staff:a")?;
        let number = tx.insert_register_import(digest(4), "operator:root", NOW)?;
        let import = tx.register_import(ImportState::Staging)?.filter(|import| import.number == number);
        let rows = [10, 9].map(register_row).to_vec();
        tx.stage_register_rows(&import.unwrap(), rows, (2, 2, 0))?;
        tx.append_audit(
            &entry(Action::RegisterUnit, "unit", "\"引号\" \\ \u{1}\n").with("名称", "签印\t\"x\""),
        )
    });
    store.record_intent_blocking(intent(1), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
    store.record_intent_blocking(intent(2), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
    write(store, |tx| {
        tx.commit_issued(&intent(1), &[0x30, 0xff], CertificateState::Held { activated: true }, NOW)
    });
}

#[test]
fn both_databases_export_the_same_octets() {
    let [sqlite, postgres] = databases().map(|database| {
        let store = database.store();
        fill(&store);
        let mut lines = Vec::new();
        store.export(&mut lines).unwrap();
        String::from_utf8(lines).unwrap()
    });
    assert_eq!(sqlite, postgres);

    let mut tables: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in sqlite.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        tables.entry(object["table"].as_str().unwrap().to_owned()).or_default().push(object);
    }
    let unit = &tables["unit"][0];
    assert_eq!(
        *unit,
        json!({
            "table": "unit", "id": crate::world::unit().id.as_str(), "code": "91320104000000019U", "labour_no": "32010001",
            "name": "南京签印科技有限公司", "province": "江苏省", "city": "南京市",
            "registered_by": format!("staff:{}", clerk()), "registered_at": NOW.millis(), "agency": "nanjing", "region": "320104", "name_flag": null, "ended_at": null,
        })
    );
    let lines = [&tables["register_row"][0]["line"], &tables["register_row"][1]["line"]];
    assert_eq!(lines, [&json!(9), &json!(10)], "in the order of the number");
    assert_eq!(tables["certificate"][0]["der"], "30ff");
    assert_eq!(tables["attempt"][0]["serial"], Value::Null);
    assert_eq!(tables["staff"][0]["roles"], json!(["clerk"]));
    assert_eq!(tables["audit"][0]["detail"], json!({ "名称": "签印\t\"x\"" }));
    assert_eq!(tables["audit"][0]["object_id"], "\"引号\" \\ \u{1}\n");
    assert_eq!(
        tables["agent"][0],
        json!({
            "table": "agent", "id": agent().id.as_str(), "qualified_at": null, "name_sealed": "withheld",
            "name_index": "withheld", "id_card_sealed": "withheld", "id_card_index": "withheld", "erased_at": null,
        })
    );
    assert_eq!((tables["application"].len(), tables["application_document"].len()), (2, 4));
    assert!(!sqlite.contains(ID_CARD) && !sqlite.contains("张三"));
    let reached = &tables["unit_contact"][0];
    assert_eq!((&reached["mail_sealed"], &reached["phone_sealed"]), (&json!("withheld"), &json!("withheld")));
    assert_eq!(tables["notice_delivery"][0]["state"], "waiting");
}
