//! Object identifiers, with the clause that assigns each. Content octets, ready for comparison.

/// organizationIdentifier (X.520, 2.5.4.97): `NTRCN-` and the unified social credit code (ETSI EN 319 412-1 §5.1.4).
pub const ORGANIZATION_IDENTIFIER: &[u64] = &[2, 5, 4, 97];

/// 企业组织机构代码, since 2015 the unified social credit code (GB/T 20518, 1.2.156.10260.4.1.4).
pub const USCC: &[u64] = &[1, 2, 156, 10260, 4, 1, 4];

/// id-kp-documentSigning (RFC 9336).
pub const KP_DOCUMENT_SIGNING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 36];

/// id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1).
pub const OCSP_NOCHECK: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];

/// crlExtensions: INTEGER, the status epoch that the CRL reflects. Not critical. 1.3.6.1.4.1.32473.2.1: the private
/// enterprise number of RFC 5612 until the project has its own. A UUID arc (2.25) would be ours, but widespread
/// readers refuse arcs of more than 32 bits, and with them the whole CRL.
pub const STATUS_EPOCH: [u8; 10] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x81, 0xfd, 0x59, 0x02, 0x01];

/// crlEntryExtensions beside `certificateHold`: NULL, the holder has not activated the certificate yet. Not critical.
/// 1.3.6.1.4.1.32473.2.2.
pub const NOT_ACTIVATED: [u8; 10] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x81, 0xfd, 0x59, 0x02, 0x02];
