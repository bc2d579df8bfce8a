//! Server-sent events as they come off the wire (HTML Living Standard §9.2.6), within a limit.

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// `event`; `message` when there was none.
    pub(crate) name: String,
    /// `data`, several lines joined.
    pub(crate) data: Vec<u8>,
}

/// More octets in one event than are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is too long")]
pub(crate) struct TooLong;

/// Cuts octets into events.
#[derive(Debug)]
pub(crate) struct Events {
    most: usize,
    line: Vec<u8>,
    name: String,
    data: Option<Vec<u8>>,
}

impl Events {
    /// Reads events whose lines have `most` octets in all.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, line: Vec::new(), name: String::new(), data: None }
    }

    /// Takes what came, and gives the events that ended with it.
    ///
    /// # Errors
    /// [`TooLong`]; nothing can be read after it.
    pub(crate) fn take(&mut self, octets: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for piece in octets.split_inclusive(|octet| *octet == b'\n') {
            let held = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
            if held + piece.len() > self.most {
                return Err(TooLong);
            }
            self.line.extend_from_slice(piece);
            if self.line.pop_if(|last| *last == b'\n').is_some() {
                self.line.pop_if(|last| *last == b'\r');
                let line = std::mem::take(&mut self.line);
                events.extend(self.read(&line));
            }
        }
        Ok(events)
    }

    fn read(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return self.data.take().map(|data| Event { name, data });
        }
        let colon = line.iter().position(|octet| *octet == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"data" => match &mut self.data {
                None => self.data = Some(value.to_vec()),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            // A comment, or a field that means nothing here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.to_owned(), data: data.as_bytes().to_vec() }
    }

    #[test]
    fn events_however_they_are_cut() {
        let text = b": hello\n\nevent: status\ndata: a.b.c\nid: 7\n\nevent: end\r\ndata:{}\r\n\r\ndata: x\ndata: y\n\ndata: cut";
        let whole = [event("status", "a.b.c"), event("end", "{}"), event("message", "x\ny")];
        for size in [1, 2, 7, text.len()] {
            let mut events = Events::new(64);
            let read: Vec<Event> = text.chunks(size).flat_map(|chunk| events.take(chunk).unwrap()).collect();
            assert_eq!(read, whole, "{size}");
        }
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut events = Events::new(16);
        assert_eq!(events.take(b"data: 0123456789"), Ok(vec![]));
        assert_eq!(events.take(b"0"), Err(TooLong));
        let mut events = Events::new(16);
        assert_eq!(events.take(b"data: 01234\ndata: 01234\ndata: 01234\n"), Err(TooLong));
        let mut events = Events::new(16);
        for _ in 0..100 {
            assert_eq!(events.take(b"data: 0\n\n").unwrap().len(), 1);
        }
    }
}
