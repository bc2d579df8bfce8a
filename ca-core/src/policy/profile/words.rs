//! The words of a profile file, in the spelling of RFC 5280 and X.520.

use ca_verifier::oid;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$item_doc])* $item),+ }

        impl $name {
            /// The spelling in `policies/profiles/`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$item => $text),+ }
            }

            /// All spellings, for messages.
            pub(crate) const NAMES: &'static str = words!(@join $($text),+);

            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$item),)+ _ => None }
            }
        }
    };
    (@join $first:literal $(, $text:literal)*) => { concat!($first $(, ", ", $text)*) };
}

words! {
    /// What a certificate is for.
    Kind {
        /// A unit, a person of staff, a server or a responder.
        EndEntity = "end-entity",
        /// A CA that signs end entities only.
        IssuingCa = "issuing-ca",
        /// The self-signed trust anchor.
        RootCa = "root-ca",
    }
}

words! {
    /// An attribute of the subject.
    Attribute {
        /// countryName, PrintableString of two letters.
        Country = "C",
        /// stateOrProvinceName.
        StateOrProvince = "ST",
        /// localityName.
        Locality = "L",
        /// organizationName.
        Organization = "O",
        /// organizationalUnitName.
        OrganizationalUnit = "OU",
        /// organizationIdentifier (X.520).
        OrganizationIdentifier = "organizationIdentifier",
        /// serialNumber, PrintableString.
        SerialNumber = "serialNumber",
        /// commonName.
        CommonName = "CN",
    }
}

impl Attribute {
    pub(crate) fn oid(self) -> &'static [u64] {
        match self {
            Self::Country => &[2, 5, 4, 6],
            Self::StateOrProvince => &[2, 5, 4, 8],
            Self::Locality => &[2, 5, 4, 7],
            Self::Organization => &[2, 5, 4, 10],
            Self::OrganizationalUnit => &[2, 5, 4, 11],
            Self::OrganizationIdentifier => oid::ORGANIZATION_IDENTIFIER,
            Self::SerialNumber => &[2, 5, 4, 5],
            Self::CommonName => &[2, 5, 4, 3],
        }
    }

    /// RFC 5280 appendix A asks for PrintableString here; everything else is UTF8String (§4.1.2.4).
    pub(crate) fn is_printable_string(self) -> bool {
        matches!(self, Self::Country | Self::SerialNumber)
    }
}

words! {
    /// keyUsage (RFC 5280 §4.2.1.3), as far as this CA uses it: none of its keys decrypts.
    KeyUsage {
        /// Bit 0.
        DigitalSignature = "digitalSignature",
        /// Bit 1, once called nonRepudiation.
        ContentCommitment = "contentCommitment",
        /// Bit 5.
        KeyCertSign = "keyCertSign",
        /// Bit 6.
        CrlSign = "cRLSign",
    }
}

impl KeyUsage {
    pub(crate) fn bit(self) -> u8 {
        match self {
            Self::DigitalSignature => 0,
            Self::ContentCommitment => 1,
            Self::KeyCertSign => 5,
            Self::CrlSign => 6,
        }
    }
}

words! {
    /// extKeyUsage (RFC 5280 §4.2.1.12, RFC 9336).
    ExtendedKeyUsage {
        /// TLS server.
        ServerAuth = "serverAuth",
        /// TLS client.
        ClientAuth = "clientAuth",
        /// S/MIME; NSS-based PDF readers ask for it.
        EmailProtection = "emailProtection",
        /// Signing of documents.
        DocumentSigning = "documentSigning",
        /// Delegated OCSP responder.
        OcspSigning = "OCSPSigning",
    }
}

impl ExtendedKeyUsage {
    pub(crate) fn oid(self) -> &'static [u64] {
        match self {
            Self::ServerAuth => &[1, 3, 6, 1, 5, 5, 7, 3, 1],
            Self::ClientAuth => &[1, 3, 6, 1, 5, 5, 7, 3, 2],
            Self::EmailProtection => &[1, 3, 6, 1, 5, 5, 7, 3, 4],
            Self::DocumentSigning => oid::KP_DOCUMENT_SIGNING,
            Self::OcspSigning => &[1, 3, 6, 1, 5, 5, 7, 3, 9],
        }
    }
}

words! {
    /// What stands in subjectAltName.
    AlternativeName {
        /// The extension is absent.
        None = "none",
        /// An otherName with the unified social credit code.
        Uscc = "uscc",
        /// Names and addresses of a server.
        Hosts = "hosts",
    }
}
