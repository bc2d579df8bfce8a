//! Batches and appointments: what is written comes back, one application a line, one appointment an application.

use ca_core::{Appointment, AppointmentId, AppointmentState, BatchId, BatchState, Purpose, Verdict};
use ca_store::{BatchLine, BatchRecord, StoreError};
use serde_json::json;

use crate::world::*;

fn batch(number: u32) -> BatchRecord {
    BatchRecord {
        id: BatchId::new(NOW, octets(number)),
        file_sha256: digest(number),
        format: "csv:gb18030:crlf".to_owned(),
        header: vec!["单位名称".to_owned(), "年限".to_owned()],
        state: BatchState::Checked,
        documents: None,
        entered_by: clerk(),
        entered_at: NOW,
    }
}

fn line(line: u32, verdict: Verdict) -> BatchLine {
    let known = verdict != Verdict::Bad;
    BatchLine {
        line,
        verdict,
        unit: known.then(|| unit().id),
        agent: known.then(|| agent().id),
        years: known.then_some(2),
        counter: Some("gulou".to_owned()),
        cells: vec!["=1+1".to_owned(), "2".to_owned()],
        findings: json!([{ "rule": "line.duplicate" }]),
        application: None,
    }
}

fn appointment(number: u32, of: u32) -> Appointment {
    Appointment {
        id: AppointmentId::new(NOW, octets(number)),
        counter: "gulou".to_owned(),
        day: "2026-11-26".parse().unwrap(),
        slot: "09:00".to_owned(),
        estimated: number == 2,
        purpose: Purpose::Collect,
        unit: unit().id,
        application: Some(application(of).id),
        made_by: clerk(),
        made_at: NOW,
        state: AppointmentState::Booked,
    }
}

#[test]
fn a_line_becomes_one_application() {
    on_both(|store| {
        enroll(store);
        let lines = vec![line(2, Verdict::Good), line(3, Verdict::Review), line(4, Verdict::Bad)];
        let all = lines.clone();
        write(store, move |tx| tx.insert_batch(&batch(1), &all));
        assert_eq!(read(store, |reader| reader.batch(&batch(1).id)), Some(batch(1)));
        assert_eq!(read(store, |reader| reader.batch_lines(&batch(1).id, 0, 10)), lines);
        assert_eq!(read(store, |reader| reader.batch_lines(&batch(1).id, 2, 1)), lines[1..2]);

        let documents = vec![document("x", ca_core::DocumentForm::Copy, 200)];
        let given = documents.clone();
        write(store, move |tx| {
            tx.move_batch(&batch(1).id, BatchState::Checked, BatchState::Submitting, Some(&given))?;
            tx.pass_batch_line(&batch(1).id, 3)
        });
        let again = refused(store, |tx| tx.pass_batch_line(&batch(1).id, 4));
        assert_eq!(again, StoreError::Stale { what: "batch-line" });
        let known = read(store, |reader| reader.batch(&batch(1).id)).unwrap();
        assert_eq!((known.state, known.documents), (BatchState::Submitting, Some(documents)));
        let late = refused(store, |tx| {
            tx.move_batch(&batch(1).id, BatchState::Checked, BatchState::Withdrawn, None)
        });
        assert_eq!(late, StoreError::Stale { what: "batch" });

        let to_do = read(store, |reader| reader.batch_lines_to_submit(&batch(1).id, 10));
        assert_eq!(to_do.iter().map(|line| line.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(read(store, |reader| reader.open_application(&unit().id)), None);
        write(store, |tx| {
            tx.insert_application(&application(1))?;
            tx.insert_application(&application(2))?;
            tx.link_batch_line(&batch(1).id, 2, &application(1).id)
        });
        let open = read(store, |reader| reader.open_application(&unit().id));
        assert_eq!(open, Some(application(1).id));
        let second = refused(store, |tx| tx.link_batch_line(&batch(1).id, 2, &application(2).id));
        assert_eq!(second, StoreError::Stale { what: "batch-line" });
        let shared = refused(store, |tx| tx.link_batch_line(&batch(1).id, 3, &application(1).id));
        assert_eq!(shared, StoreError::Conflict { what: "batch-application" });
        let counts = read(store, |reader| reader.batch_counts(&batch(1).id));
        assert_eq!(counts, [(Verdict::Bad, 1, 0), (Verdict::Good, 2, 1)]);
        write(store, |tx| tx.refuse_batch_line(&batch(1).id, 3, &json!(["late"])));
        let gone = refused(store, |tx| tx.refuse_batch_line(&batch(1).id, 2, &json!(["late"])));
        assert_eq!(gone, StoreError::Stale { what: "batch-line" });
        assert_eq!(read(store, |reader| reader.batch_lines_to_submit(&batch(1).id, 10)), []);

        write(store, |tx| tx.insert_appointment(&appointment(1, 1)));
        let progress = read(store, |reader| reader.batch_progress(&batch(1).id));
        assert_eq!((progress.len(), progress[0].line, &*progress[0].state), (1, 2, "submitted"));
        let booked = progress[0].appointment.as_ref().map(|(counter, day, slot)| [&**counter, day, slot]);
        assert_eq!(booked, Some(["gulou", "2026-11-26", "09:00"]));
    });
}

#[test]
fn an_application_has_one_appointment_until_it_is_given_back() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| {
            tx.insert_application(&application(1))?;
            tx.lock_counter_day("gulou", "2026-11-26")?;
            tx.lock_counter_day("gulou", "2026-11-26")?;
            tx.insert_appointment(&appointment(1, 1))
        });
        assert_eq!(read(store, |reader| reader.appointment(&appointment(1, 1).id)), Some(appointment(1, 1)));
        let twice = refused(store, |tx| tx.insert_appointment(&appointment(2, 1)));
        assert_eq!(twice, StoreError::Conflict { what: "appointment" });
        write(store, |tx| {
            let gone = Appointment { state: AppointmentState::Cancelled, ..appointment(1, 1) };
            tx.change_appointment(AppointmentState::Booked, &gone)?;
            tx.insert_appointment(&appointment(2, 1))
        });
        let late = refused(store, |tx| {
            let kept = Appointment { state: AppointmentState::Kept, ..appointment(1, 1) };
            tx.change_appointment(AppointmentState::Booked, &kept)
        });
        assert_eq!(late, StoreError::Stale { what: "appointment" });
        let all = read(store, |reader| reader.appointments("gulou", "2026-11-26"));
        assert_eq!((all.len(), all[1].estimated), (2, true));
        assert_eq!(read(store, |reader| reader.appointments("gulou", "2026-11-27")), []);
    });
}
