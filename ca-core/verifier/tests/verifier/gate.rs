//! Status at the gate: current or refused, never backwards.

use ca_verifier::{Error, Gate, Reason, Refusal, StatusIndex, Unavailable, VerifiedPath};
use rustls_pki_types::CertificateDer;

use crate::pki::{Ca, DAY, Entry, NOW, SERIAL, URL, USCC, epoch, not_activated, reason, two_tiers};

struct Portal {
    gate: Gate,
    issuing: Ca,
    leaf: CertificateDer<'static>,
}

impl Portal {
    fn new() -> Self {
        let (_, issuing, trust) = two_tiers();
        let leaf = issuing.leaf(|_| {});
        Self { gate: Gate::new(trust), issuing, leaf }
    }

    fn load(&self, number: u8, extensions: Vec<Vec<u8>>, entries: Vec<Entry>) -> Result<String, Error> {
        let der = self.issuing.crl(|spec| {
            spec.number = Some(number);
            spec.extensions = extensions;
            spec.entries = entries;
        });
        self.gate.load_crl(&der, &self.issuing.der, NOW)
    }

    fn admit(&self) -> VerifiedPath {
        self.gate.admit(Some(std::slice::from_ref(&self.leaf)), NOW).unwrap()
    }
}

#[test]
fn follows_the_newest_crl_on_an_open_connection() {
    let portal = Portal::new();
    let path = portal.admit();
    let unknown = Refusal::StatusUnavailable(Unavailable::NotLoaded { url: URL.into() });
    assert_eq!(portal.gate.check(&path, NOW), Err(unknown));

    portal.load(1, vec![], vec![]).unwrap();
    let unit = portal.gate.check(&path, NOW).unwrap();
    assert_eq!((unit.code().as_str(), unit.name()), (USCC, "福州签印软件有限公司"));

    for (number, extensions, refusal) in [
        (2, vec![reason(6), not_activated()], Refusal::NotActivated),
        (3, vec![reason(6)], Refusal::Held),
        (4, vec![reason(1)], Refusal::Revoked(Reason::KeyCompromise)),
    ] {
        portal.load(number, vec![], vec![Entry::new(&SERIAL, &extensions)]).unwrap();
        assert_eq!(portal.gate.check(&path, NOW), Err(refusal));
    }
}

#[test]
fn validity_is_asked_at_each_request() {
    let portal = Portal::new();
    let path = portal.admit();
    let last = NOW.plus_secs(300 * DAY);
    let der = portal.issuing.crl(|spec| spec.next_update = Some(NOW.plus_secs(400 * DAY)));
    portal.gate.load_crl(&der, &portal.issuing.der, NOW).unwrap();
    assert!(portal.gate.check(&path, last).is_ok());
    assert_eq!(portal.gate.check(&path, last.plus_secs(1)), Err(Refusal::Expired { not_after: last }));
}

#[test]
fn asks_for_a_certificate() {
    let portal = Portal::new();
    assert_eq!(portal.gate.admit(None, NOW).unwrap_err(), Refusal::NoCertificate);
    assert_eq!(portal.gate.admit(Some(&[]), NOW).unwrap_err(), Refusal::NoCertificate);
}

#[test]
fn stale_and_future_lists_are_refused() {
    let portal = Portal::new();
    let path = portal.admit();
    portal.load(1, vec![], vec![]).unwrap();
    let next_update = NOW.plus_secs(DAY);
    assert!(portal.gate.check(&path, next_update).is_ok());
    let stale = Refusal::StatusUnavailable(Unavailable::Stale { url: URL.into(), next_update });
    assert_eq!(portal.gate.check(&path, next_update.plus_secs(1)), Err(stale));
    // thisUpdate is NOW - 60 s, and 60 s of skew are tolerated.
    assert!(portal.gate.check(&path, NOW.plus_secs(-120)).is_ok());
    let refused = portal.gate.check(&path, NOW.plus_secs(-121)).unwrap_err();
    assert!(matches!(refused, Refusal::StatusUnavailable(Unavailable::NotYetCurrent { .. })), "{refused}");

    let old = portal.issuing.crl(|spec| {
        spec.number = Some(9);
        spec.next_update = Some(NOW.plus_secs(-1));
    });
    assert!(matches!(
        portal.gate.load_crl(&old, &portal.issuing.der, NOW),
        Err(Error::NoLongerCurrent { .. })
    ));
    let future = portal.issuing.crl(|spec| {
        spec.number = Some(9);
        spec.this_update = NOW.plus_secs(61);
    });
    assert!(matches!(
        portal.gate.load_crl(&future, &portal.issuing.der, NOW),
        Err(Error::NotYetCurrent { .. })
    ));
    assert!(portal.gate.check(&path, NOW).is_ok(), "what was in use stays in use");
}

#[test]
fn a_portal_may_ask_for_fresher_status_than_next_update() {
    let (_, issuing, trust) = two_tiers();
    let gate = Gate::new(trust).refuse_unconfirmed_after(300);
    let path = gate.admit(Some(&[issuing.leaf(|_| {})]), NOW).unwrap();
    let url = gate.load_crl(&issuing.crl(|_| {}), &issuing.der, NOW).unwrap();
    assert!(gate.check(&path, NOW.plus_secs(300)).is_ok());
    let unconfirmed = Refusal::StatusUnavailable(Unavailable::Unconfirmed { url: url.clone(), since: NOW });
    assert_eq!(gate.check(&path, NOW.plus_secs(301)), Err(unconfirmed));
    gate.confirm_crl(&url, NOW.plus_secs(300));
    assert!(gate.check(&path, NOW.plus_secs(301)).is_ok());
    gate.confirm_crl(&url, NOW.plus_secs(2 * DAY));
    assert_eq!(gate.check(&path, NOW.plus_secs(2 * DAY)).unwrap_err().code(), "status-unavailable");
}

#[test]
fn number_and_epoch_never_go_back() {
    let portal = Portal::new();
    let path = portal.admit();
    portal.load(5, vec![epoch(10)], vec![Entry::new(&SERIAL, &[reason(1)])]).unwrap();
    for number in [4, 5] {
        assert!(
            matches!(portal.load(number, vec![epoch(11)], vec![]), Err(Error::CrlNumber { .. })),
            "{number}"
        );
    }
    for extensions in [vec![epoch(9)], vec![]] {
        assert!(matches!(portal.load(6, extensions, vec![]), Err(Error::CrlEpoch { held: 10, .. })));
    }
    assert_eq!(portal.gate.check(&path, NOW), Err(Refusal::Revoked(Reason::KeyCompromise)));
    assert_eq!(portal.gate.status()[0].number.to_string(), "5");
    portal.load(6, vec![epoch(10)], vec![]).unwrap();
    assert!(portal.gate.check(&path, NOW).is_ok());
}

#[test]
fn the_same_octets_again_renew_the_age_only() {
    let portal = Portal::new();
    let der = portal.issuing.crl(|_| {});
    portal.gate.load_crl(&der, &portal.issuing.der, NOW).unwrap();
    portal.gate.load_crl(&der, &portal.issuing.der, NOW.plus_secs(5)).unwrap();
    let status = portal.gate.status();
    assert_eq!((status.len(), status[0].loaded_at, status[0].entries), (1, NOW.plus_secs(5), 0));
    portal.gate.confirm_crl(URL, NOW.plus_secs(9));
    assert_eq!(portal.gate.status()[0].loaded_at, NOW.plus_secs(9));
    assert_eq!(portal.gate.status()[0].next_update, status[0].next_update);
}

#[test]
fn a_list_speaks_for_its_own_key_and_place_only() {
    let portal = Portal::new();
    let path = portal.admit();
    let elsewhere = portal.issuing.crl(|spec| spec.url = "http://crl.qianyin.test/crl/issuing/1.crl");
    portal.gate.load_crl(&elsewhere, &portal.issuing.der, NOW).unwrap();
    assert_eq!(portal.gate.check(&path, NOW).unwrap_err().code(), "status-unavailable");

    // A CA of the same name that claims the same place.
    let namesake = Ca::root().below("Issuing");
    let foreign = namesake.crl(|_| {});
    portal.gate.load_crl(&foreign, &namesake.der, NOW).unwrap();
    assert_eq!(portal.gate.check(&path, NOW).unwrap_err().code(), "status-unavailable");
    assert_eq!(
        portal.load(2, vec![], vec![]),
        Err(Error::Issuer { what: "CRL" }),
        "no silent change of the signer"
    );
}

#[test]
fn a_certificate_without_a_list_is_refused() {
    let (_, issuing, trust) = two_tiers();
    let leaf = issuing.leaf(|params| params.crl_distribution_points.clear());
    let path = trust.verify_path(&leaf, &[], NOW).unwrap();
    let refused = StatusIndex::default().standing(&path, NOW).unwrap_err();
    assert_eq!(refused, Refusal::StatusUnavailable(Unavailable::NoDistributionPoint));
}

#[test]
fn of_two_lists_the_bad_word_counts() {
    let (_, issuing, trust) = two_tiers();
    let second = "http://crl.qianyin.test/crl/issuing/1.crl";
    let leaf = issuing.leaf(|params| params.crl_distribution_points[0].uris.push(second.into()));
    let gate = Gate::new(trust);
    let path = gate.admit(Some(&[leaf]), NOW).unwrap();
    gate.load_crl(&issuing.crl(|_| {}), &issuing.der, NOW).unwrap();
    assert!(gate.check(&path, NOW).is_ok());
    let der = issuing.crl(|spec| {
        spec.url = second;
        spec.entries = vec![Entry::new(&SERIAL, &[reason(6)])];
    });
    gate.load_crl(&der, &issuing.der, NOW).unwrap();
    assert_eq!(gate.check(&path, NOW), Err(Refusal::Held));
}
