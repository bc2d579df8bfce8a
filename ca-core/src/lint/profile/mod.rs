//! Rules of our own policies and of the plan.

mod extensions;
mod key;
mod lifetime;
mod not_before;
mod subject;
mod validity;

use super::Rule;

pub(super) const RULES: &[Rule] =
    &[extensions::RULE, key::RULE, lifetime::RULE, not_before::RULE, subject::RULE, validity::RULE];
