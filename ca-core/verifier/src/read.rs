//! Steps of reading DER, all by crate `der`, which refuses what is not DER.
//!
//! What deliberately does not live here: any structure of a standard.

use der::{
    AnyRef, Decode, Reader, SliceReader, Tag, TagNumber, Tagged,
    asn1::{GeneralizedTime, UintRef, UtcTime},
};

use crate::{Error, Time};

/// Octets of the largest number read: RFC 5280 §5.2.3 asks for 20.
pub(crate) const NUMBER_OCTETS: usize = 20;

/// Reads fields of one structure and names that structure in every error.
pub(crate) struct Fields<'a> {
    what: &'static str,
    reader: SliceReader<'a>,
}

impl<'a> Fields<'a> {
    /// Opens a value that must fill `der` to its last octet.
    pub(crate) fn open(what: &'static str, tag: Tag, der: &'a [u8]) -> Result<Self, Error> {
        let value = AnyRef::from_der(der).map_err(|_| not_der(what))?;
        if value.tag() != tag {
            return Err(not_der(what));
        }
        Self::of(what, value.value())
    }

    /// Fields inside content octets.
    pub(crate) fn of(what: &'static str, content: &'a [u8]) -> Result<Self, Error> {
        Ok(Self { what, reader: SliceReader::new(content).map_err(|_| not_der(what))? })
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.reader.is_finished()
    }

    /// Refuses fields that nobody read.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.reader.is_finished() { Ok(()) } else { Err(not_der(self.what)) }
    }

    pub(crate) fn next_is(&self, tag: Tag) -> bool {
        self.reader.peek_tag().is_ok_and(|found| found == tag)
    }

    /// The next field whole, tag and length included.
    pub(crate) fn whole(&mut self) -> Result<&'a [u8], Error> {
        self.reader.tlv_bytes().map_err(|_| not_der(self.what))
    }

    /// The content octets of the next field.
    pub(crate) fn content(&mut self, tag: Tag) -> Result<&'a [u8], Error> {
        let value = AnyRef::decode(&mut self.reader).map_err(|_| not_der(self.what))?;
        if value.tag() == tag { Ok(value.value()) } else { Err(not_der(self.what)) }
    }

    /// The content octets of the next field when it has this tag.
    pub(crate) fn optional(&mut self, tag: Tag) -> Result<Option<&'a [u8]>, Error> {
        if self.next_is(tag) { self.content(tag).map(Some) } else { Ok(None) }
    }

    pub(crate) fn fields(&mut self, tag: Tag) -> Result<Self, Error> {
        Self::of(self.what, self.content(tag)?)
    }

    /// An INTEGER of 0 to 20 octets, left-padded.
    pub(crate) fn number(&mut self) -> Result<[u8; NUMBER_OCTETS], Error> {
        let number = UintRef::decode(&mut self.reader).map_err(|_| not_der(self.what))?;
        let octets = number.as_bytes();
        let start = NUMBER_OCTETS.checked_sub(octets.len()).ok_or_else(|| not_der(self.what))?;
        let mut padded = [0; NUMBER_OCTETS];
        padded[start..].copy_from_slice(octets);
        Ok(padded)
    }

    /// UTCTime or GeneralizedTime (RFC 5280 §4.1.2.5).
    pub(crate) fn time(&mut self) -> Result<Time, Error> {
        let since = if self.next_is(Tag::UtcTime) {
            UtcTime::decode(&mut self.reader).map(|time| time.to_unix_duration())
        } else {
            GeneralizedTime::decode(&mut self.reader).map(|time| time.to_unix_duration())
        };
        let seconds = since.map_err(|_| not_der(self.what))?.as_secs();
        i64::try_from(seconds).map(Time::from_secs).map_err(|_| not_der(self.what))
    }

    pub(crate) fn next_is_time(&self) -> bool {
        self.next_is(Tag::UtcTime) || self.next_is(Tag::GeneralizedTime)
    }

    /// Content octets of a BIT STRING without unused bits.
    pub(crate) fn bits(&mut self) -> Result<&'a [u8], Error> {
        match self.content(Tag::BitString)? {
            [0, octets @ ..] => Ok(octets),
            _ => Err(not_der(self.what)),
        }
    }

    /// Extensions ::= SEQUENCE OF Extension; an object identifier that comes twice is refused (RFC 5280 §4.2).
    pub(crate) fn extensions(&mut self) -> Result<Vec<Extension<'a>>, Error> {
        let mut list = self.fields(Tag::Sequence)?;
        let mut extensions: Vec<Extension<'a>> = Vec::new();
        while !list.is_finished() {
            let mut fields = list.fields(Tag::Sequence)?;
            let oid = fields.content(Tag::ObjectIdentifier)?;
            let critical = match fields.optional(Tag::Boolean)? {
                // FALSE is the default and must not be written (X.690 §11.5).
                Some([0xff]) => true,
                Some(_) => return Err(not_der(self.what)),
                None => false,
            };
            let value = fields.content(Tag::OctetString)?;
            fields.finish()?;
            if extensions.iter().any(|known| known.oid == oid) {
                return Err(Error::Form { what: self.what, why: "an extension comes twice" });
            }
            extensions.push(Extension { oid, critical, value });
        }
        Ok(extensions)
    }
}

/// One extension as read.
pub(crate) struct Extension<'a> {
    /// Content octets: our own arc does not fit the integers of common types.
    pub(crate) oid: &'a [u8],
    pub(crate) critical: bool,
    pub(crate) value: &'a [u8],
}

impl Extension<'_> {
    /// For an extension that the caller does not know.
    pub(crate) fn refuse_if_critical(&self, what: &'static str) -> Result<(), Error> {
        if self.critical {
            Err(Error::CriticalExtension { what, oid: hex::encode(self.oid) })
        } else {
            Ok(())
        }
    }
}

/// A context-specific tag.
pub(crate) const fn context(number: TagNumber, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number }
}

pub(crate) fn limit(what: &'static str, der: &[u8], limit: usize) -> Result<(), Error> {
    if der.len() <= limit { Ok(()) } else { Err(Error::Size { what, found: der.len(), limit }) }
}

pub(crate) fn not_der(what: &'static str) -> Error {
    Error::Form { what, why: "not the DER that the standard asks for" }
}
