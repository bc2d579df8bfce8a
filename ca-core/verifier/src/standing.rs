//! What is known of a certificate's status, in the words that CRL, OCSP and portal share.

/// Why a certificate was revoked (CRLReason, RFC 5280 §5.3.1). `certificateHold` is no reason here but a
/// standing of its own, and `removeFromCRL` belongs to delta CRLs, which we do not issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// 0: none given; left out of CRLs as RFC 5280 asks.
    Unspecified,
    /// 1: the key is or may be in other hands (lost or stolen token).
    KeyCompromise,
    /// 2: the CA's own key is compromised.
    CaCompromise,
    /// 3: name or other data of the unit changed.
    AffiliationChanged,
    /// 4: replaced by another certificate.
    Superseded,
    /// 5: the unit no longer needs it.
    CessationOfOperation,
    /// 9: a right that the certificate stated was withdrawn.
    PrivilegeWithdrawn,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The number of CRLReason.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
        }
    }

    /// RFC 5280's spelling.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
        }
    }

    /// From RFC 5280's spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// From the number of CRLReason; `None` for certificateHold, removeFromCRL and unknown numbers.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// What a relying party may know of a certificate's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Usable.
    Good,
    /// Issued, but its holder has not activated it yet; published as certificateHold.
    NotActivated,
    /// On hold; can be released.
    Held,
    /// Revoked for ever.
    Revoked(Reason),
}

/// In snapshots of status: the reasons lie above the other standings.
const REVOKED: u8 = 16;

impl Standing {
    /// One octet, as snapshots of status have it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::NotActivated => 1,
            Self::Held => 2,
            Self::Revoked(reason) => REVOKED + reason.code(),
        }
    }

    /// From the octet of a snapshot, which lists nothing that is good.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::NotActivated),
            2 => Some(Self::Held),
            other => Reason::from_code(other.checked_sub(REVOKED)?).map(Self::Revoked),
        }
    }

    /// The word for it, without the reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NotActivated => "not-activated",
            Self::Held => "held",
            Self::Revoked(_) => "revoked",
        }
    }

    /// The worse of two words about one certificate.
    pub(crate) fn worse(self, other: Self) -> Self {
        // Codes rise with how bad it is.
        if other.code() > self.code() { other } else { self }
    }
}
