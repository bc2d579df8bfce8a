//! `certificate-status`: how a certificate stands, or stood at a moment in the past, for whoever answers an auditor or a
//! court. Needs the database only.

use clap::Args;

use super::{Out, Stop, revoke::Change};
use crate::{
    app::{StatusQuestion, standing},
    http::OneStatusView,
    problem::Failure,
    wire,
};

/// What a person is shown, where there is something to show.
const LINES: [&str; 13] = [
    "serial",
    "at",
    "state",
    "recorded",
    "since",
    "reason",
    "revoked_at",
    "invalid_since",
    "issued_at",
    "not_before",
    "not_after",
    "profile",
    "uscc",
];

#[derive(Args)]
pub(super) struct CertificateStatus {
    #[command(flatten)]
    certificate: Change,
    /// As of a moment in the past, as 2026-11-23T08:00:00Z; now without it | 截至过去某一时刻
    #[arg(long)]
    at: Option<String>,
}

impl CertificateStatus {
    pub(super) fn run(self, out: &Out) -> Result<(), Stop> {
        let (store, serial) = self.certificate.open()?;
        let question = StatusQuestion::about(&serial.to_string(), self.at.as_deref())?;
        let latest = store.read(|reader| reader.latest_intent_time()).map_err(Failure::Store)?;
        let now = wire::now();
        let report = standing::report(&store, &question, now, latest.unwrap_or(now))?;
        let view = serde_json::to_value(OneStatusView::of(report)?).map_err(Failure::inconsistent)?;
        if out.json {
            println!("{view}");
            return Ok(());
        }
        for name in LINES {
            if let Some(value) = view[name].as_str() {
                println!("{name:<14} {value}");
            }
        }
        if let Some(name) = view["unit"]["name"].as_str() {
            println!("{:<14} {name}", "unit");
        }
        out.say(
            "只有 good 可以信赖；各项含义见 docs/portal.md。",
            "Rely on good only; docs/portal.md says what each line means.",
        );
        Ok(())
    }
}
