//! Bad certificates for the rules' tests: a good one, altered octet by octet or written by rcgen with other values.

use super::{LintContext, lint};
use crate::issuance::testing::{Hierarchy, hierarchy};
use crate::{CertificatePlan, ValidatedCsr};

/// What the rules find in a unit certificate after `alter` changed its octets.
pub(crate) fn altered(alter: impl Fn(&mut Vec<u8>)) -> Vec<&'static str> {
    let hierarchy = hierarchy();
    let csr = hierarchy.csr();
    let plan = hierarchy.unit_plan(&csr);
    let mut der = hierarchy.issue(&plan).der().to_vec();
    alter(&mut der);
    rules(&der, &plan)
}

/// What the rules find in the good certificate when it should have been another.
pub(crate) fn expected_other(other: impl Fn(&mut LintContext<'_>)) -> Vec<&'static str> {
    let hierarchy = hierarchy();
    let csr = hierarchy.csr();
    let plan = hierarchy.unit_plan(&csr);
    let der = hierarchy.issue(&plan).der().to_vec();
    let mut context = LintContext::of(&plan);
    other(&mut context);
    lint(&der, &context).iter().map(|finding| finding.rule).collect()
}

/// Why a changed plan is refused; nothing when it is not.
pub(crate) fn planned(change: impl Fn(&mut CertificatePlan<'_>)) -> Vec<&'static str> {
    let hierarchy = hierarchy();
    let csr = hierarchy.csr();
    let mut plan = hierarchy.unit_plan(&csr);
    change(&mut plan);
    refused(&plan)
}

pub(crate) fn refused(plan: &CertificatePlan<'_>) -> Vec<&'static str> {
    match crate::prepare(plan) {
        Ok(_) => Vec::new(),
        Err(refusal) => refusal.findings().iter().map(|finding| finding.rule).collect(),
    }
}

/// What the rules find in a certificate that rcgen wrote from `params`, signed by the issuing CA's name.
pub(crate) fn written(alter: impl Fn(&mut rcgen::CertificateParams)) -> Vec<&'static str> {
    let hierarchy = hierarchy();
    let csr = hierarchy.csr();
    let plan = hierarchy.unit_plan(&csr);
    rules(&hierarchy.write_altered(&csr, alter), &plan)
}

fn rules(der: &[u8], plan: &CertificatePlan<'_>) -> Vec<&'static str> {
    lint(der, &LintContext::of(plan)).iter().map(|finding| finding.rule).collect()
}

impl Hierarchy {
    fn write_altered(&self, csr: &ValidatedCsr, alter: impl Fn(&mut rcgen::CertificateParams)) -> Vec<u8> {
        let plan = self.unit_plan(csr);
        let tbs = crate::issuance::write_altered(&plan, alter).unwrap();
        crate::encode::signed(&tbs, plan.algorithm(), &self.sign(&tbs).unwrap())
    }
}

/// Replaces the only occurrence.
pub(crate) fn replace(der: &mut [u8], old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len());
    let places: Vec<usize> =
        (0..=der.len() - old.len()).filter(|index| der[*index..].starts_with(old)).collect();
    assert_eq!(places.len(), 1, "{old:02x?}");
    der[places[0]..places[0] + old.len()].copy_from_slice(new);
}
