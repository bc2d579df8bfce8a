//! The file of a 发票, as the tax bureau gives it out: PDF, OFD (GB/T 33190) or XML. Kept octet for octet and never
//! interpreted; only whether it is what it says it is is looked at.

use super::InvoiceError;

/// The largest file.
pub const INVOICE_FILE_MAX: usize = 5 * 1024 * 1024;

/// What an OFD archive has at its root; names of files stand in an archive as they are.
const OFD_ROOT: &[u8] = b"OFD.xml";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvoiceFileKind {
    /// ISO 32000.
    Pdf,
    /// GB/T 33190.
    Ofd,
    /// The data alone.
    Xml,
}

impl InvoiceFileKind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Pdf, Self::Ofd, Self::Xml];

    /// The media type in the API and the database.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Ofd => "application/ofd",
            Self::Xml => "application/xml",
        }
    }

    /// How the name of such a file ends.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Ofd => "ofd",
            Self::Xml => "xml",
        }
    }

    /// Reads a media type.
    ///
    /// # Errors
    /// [`InvoiceError::File`].
    pub fn from_media_type(text: &str) -> Result<Self, InvoiceError> {
        Self::ALL.into_iter().find(|kind| kind.media_type() == text).ok_or(InvoiceError::File)
    }

    /// Whether the octets can be such a file.
    ///
    /// # Errors
    /// [`InvoiceError::FileSize`], [`InvoiceError::File`].
    pub fn check(self, octets: &[u8]) -> Result<(), InvoiceError> {
        if octets.len() > INVOICE_FILE_MAX {
            return Err(InvoiceError::FileSize { found: octets.len(), most: INVOICE_FILE_MAX });
        }
        let fits = match self {
            Self::Pdf => octets.starts_with(b"%PDF-"),
            Self::Ofd => {
                octets.starts_with(b"PK\x03\x04")
                    && octets.windows(OFD_ROOT.len()).any(|part| part == OFD_ROOT)
            }
            Self::Xml => {
                let text = octets.strip_prefix(BYTE_ORDER_MARK).unwrap_or(octets);
                text.starts_with(b"<?xml ") && std::str::from_utf8(text).is_ok()
            }
        };
        if fits { Ok(()) } else { Err(InvoiceError::File) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDF: &[u8] = b"%PDF-1.7\n%%EOF\n";
    const OFD: &[u8] = b"PK\x03\x04\x14\x00OFD.xml";
    const XML: &[u8] = b"<?xml version=\"1.0\"?><EInvoice/>";

    #[test]
    fn a_file_is_what_its_media_type_says() {
        let files = [(InvoiceFileKind::Pdf, PDF), (InvoiceFileKind::Ofd, OFD), (InvoiceFileKind::Xml, XML)];
        for kind in InvoiceFileKind::ALL {
            assert_eq!(InvoiceFileKind::from_media_type(kind.media_type()), Ok(kind));
            for (of, octets) in files {
                let expected = if of == kind { Ok(()) } else { Err(InvoiceError::File) };
                assert_eq!(kind.check(octets), expected, "{kind:?} {of:?}");
            }
            for bad in [&b""[..], b"MZ\x90", b"<html>", b"PK\x03\x04word/document.xml"] {
                assert_eq!(kind.check(bad), Err(InvoiceError::File), "{kind:?} {bad:?}");
            }
        }
        for bad in ["", "text/csv", "application/PDF", "application/pdf; q=1", "application/x-msdownload"] {
            assert_eq!(InvoiceFileKind::from_media_type(bad), Err(InvoiceError::File), "{bad}");
        }
        let marked = [BYTE_ORDER_MARK, XML].concat();
        assert_eq!(InvoiceFileKind::Xml.check(&marked), Ok(()));
        assert_eq!(
            InvoiceFileKind::Xml.check(&[XML, b"\xff"].concat()),
            Err(InvoiceError::File),
            "not UTF-8"
        );
    }

    #[test]
    fn a_file_has_its_limit() {
        let mut octets = PDF.to_vec();
        octets.resize(INVOICE_FILE_MAX, b' ');
        assert_eq!(InvoiceFileKind::Pdf.check(&octets), Ok(()));
        octets.push(b' ');
        let (found, most) = (octets.len(), INVOICE_FILE_MAX);
        assert_eq!(InvoiceFileKind::Pdf.check(&octets), Err(InvoiceError::FileSize { found, most }));
    }
}
