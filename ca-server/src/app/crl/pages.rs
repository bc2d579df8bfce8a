//! What a CRL lists, read in pages: memory holds one of them.

use ca_store::{CrlSource, Reader, StoreError};
use ca_verifier::Time;

const PAGE: i64 = 2_000;

/// The entries in the order of their serial numbers. An error ends them early: [`Pages::end`] tells.
pub(crate) struct Pages<'a, 'r> {
    reader: &'a mut Reader<'r>,
    list: (&'a str, u16),
    ended_since: Option<Time>,
    page: std::vec::IntoIter<CrlSource>,
    last: Option<CrlSource>,
    over: bool,
    error: Option<StoreError>,
    expected: usize,
}

impl<'a, 'r> Pages<'a, 'r> {
    pub(crate) fn new(
        reader: &'a mut Reader<'r>,
        list: (&'a str, u16),
        ended_since: Option<Time>,
        expected: i64,
    ) -> Self {
        let expected = usize::try_from(expected).unwrap_or(0);
        let page = Vec::new().into_iter();
        Self { reader, list, ended_since, page, last: None, over: false, error: None, expected }
    }

    /// Whether everything was read.
    pub(crate) fn end(self) -> Result<(), StoreError> {
        self.error.map_or(Ok(()), Err)
    }

    fn turn(&mut self) -> Result<(), StoreError> {
        let after = self.last.map(|last| last.serial);
        let page = self.reader.crl_entries(self.list, self.ended_since, after.as_ref(), PAGE)?;
        self.over = page.is_empty();
        self.page = page.into_iter();
        Ok(())
    }
}

impl Iterator for Pages<'_, '_> {
    type Item = CrlSource;

    fn next(&mut self) -> Option<CrlSource> {
        if self.page.len() == 0
            && !self.over
            && let Err(error) = self.turn()
        {
            (self.error, self.over) = (Some(error), true);
        }
        let next = self.page.next();
        self.last = next.or(self.last);
        next
    }

    /// So many are to come: room is made once.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.expected, None)
    }
}
