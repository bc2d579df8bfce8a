//! Object identifiers, with the clause that assigns each. Content octets, ready for comparison.

/// organizationIdentifier (X.520, 2.5.4.97): `NTRCN-` and the unified social credit code (ETSI EN 319 412-1 §5.1.4).
pub const ORGANIZATION_IDENTIFIER: &[u64] = &[2, 5, 4, 97];

/// 企业组织机构代码, since 2015 the unified social credit code (GB/T 20518, 1.2.156.10260.4.1.4).
pub const USCC: &[u64] = &[1, 2, 156, 10260, 4, 1, 4];

/// id-kp-documentSigning (RFC 9336).
pub const KP_DOCUMENT_SIGNING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 36];

/// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1).
pub const OCSP_NOCHECK: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];

/// Our own arc, 2.25.123697597717644661556778048257944100672 (a UUID, ITU-T X.667): content octets of the OID.
/// Its arcs do not fit `u64`, hence octets.
const OWN_ARC: [u8; 20] = [
    0x69, 0x81, 0xba, 0x8f, 0xa5, 0x9b, 0xd1, 0xc1, 0xda, 0xbc, 0xcf, 0x9a, 0x9f, 0x9e, 0xed, 0xc1, 0xe9, 0xba, 0xbe,
    0x40,
];

/// crlExtensions: INTEGER, the status epoch that the CRL reflects. Not critical.
pub const STATUS_EPOCH: [u8; 21] = own(1);

/// crlEntryExtensions beside `certificateHold`: NULL, the holder has not activated the certificate yet. Not critical.
pub const NOT_ACTIVATED: [u8; 21] = own(2);

const fn own(arc: u8) -> [u8; 21] {
    let mut octets = [0; 21];
    let mut index = 0;
    while index < OWN_ARC.len() {
        octets[index] = OWN_ARC[index];
        index += 1;
    }
    octets[OWN_ARC.len()] = arc;
    octets
}
