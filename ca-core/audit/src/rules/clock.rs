//! I5: entries of the log rise in number, and their time does not go back.

use crate::{Rule, Violation, report::Findings};

/// Several instances write one log; their clocks differ by less than this, in milliseconds.
pub(super) const TOLERANCE: i64 = 60_000;

/// Follows the log in the order of the export.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Number and time of the last entry.
    last: Option<(i64, i64)>,
}

impl Clock {
    pub(crate) fn see(&mut self, id: i64, at: i64, findings: &mut Findings) {
        if let Some((previous, before)) = self.last.replace((id, at)) {
            if id <= previous {
                findings.add(Rule::Clock, "audit", id, Violation::IdNotRising { previous });
            }
            let millis = before.saturating_sub(at);
            if millis > TOLERANCE {
                findings.add(Rule::Clock, "audit", id, Violation::ClockBack { previous, millis });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::Export;

    #[test]
    fn time_goes_back_by_a_minute_at_most() {
        let mut export = Export::clean();
        let first = export.log("start", "x", json!({}));
        let second = export.log("start", "x", json!({}));
        let at = export.row("audit", "id", &first.to_string())["at"].as_i64().unwrap();
        export.change("audit", "id", &second.to_string(), "at", json!(at - TOLERANCE));
        assert_eq!(export.violations(Rule::Clock), []);
        export.change("audit", "id", &second.to_string(), "at", json!(at - TOLERANCE - 1));
        let back = Violation::ClockBack { previous: first, millis: TOLERANCE + 1 };
        assert_eq!(export.violations(Rule::Clock), [("audit", second.to_string(), back)]);
    }

    #[test]
    fn numbers_rise() {
        let mut export = Export::clean();
        let first = export.log("start", "x", json!({}));
        let second = export.log("start", "x", json!({}));
        export.change("audit", "id", &second.to_string(), "id", json!(first));
        let stuck = Violation::IdNotRising { previous: first };
        assert_eq!(export.violations(Rule::Clock), [("audit", first.to_string(), stuck)]);
    }
}
