//! Fields in one string, `<length>:<bytes>` each: binary-safe, and easy to write and read in Lua too.

use bytes::Bytes;

/// Appends a field.
pub(super) fn put(packed: &mut Vec<u8>, field: &[u8]) {
    packed.extend_from_slice(itoa::Buffer::new().format(field.len()).as_bytes());
    packed.push(b':');
    packed.extend_from_slice(field);
}

/// Reads fields one after the other.
pub(super) struct Fields {
    rest: Bytes,
}

impl Fields {
    pub(super) fn of(packed: Bytes) -> Self {
        Self { rest: packed }
    }

    /// What is behind the fields read so far.
    pub(super) fn rest(self) -> Bytes {
        self.rest
    }

    /// Whether there is no more.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn bytes(&mut self) -> Option<Bytes> {
        let colon = self.rest.iter().take(20).position(|&byte| byte == b':')?;
        let length: usize = std::str::from_utf8(self.rest.get(..colon)?).ok()?.parse().ok()?;
        let end = (colon + 1).checked_add(length)?;
        if end > self.rest.len() {
            return None;
        }
        let field = self.rest.slice(colon + 1..end);
        self.rest = self.rest.slice(end..);
        Some(field)
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.into()).ok()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        std::str::from_utf8(&self.bytes()?).ok()?.parse().ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_whatever_they_hold() {
        let mut packed = Vec::new();
        for field in [&b""[..], b"a", b"12:ab", b"\x00\xff:\n", &[b'x'; 1000]] {
            put(&mut packed, field);
        }
        packed.extend_from_slice(b"body");
        let mut fields = Fields::of(packed.into());
        assert_eq!(fields.bytes().unwrap(), &b""[..]);
        assert_eq!(fields.bytes().unwrap(), &b"a"[..]);
        assert_eq!(fields.bytes().unwrap(), &b"12:ab"[..]);
        assert_eq!(fields.bytes().unwrap(), &b"\x00\xff:\n"[..]);
        assert_eq!(fields.bytes().unwrap().len(), 1000);
        assert_eq!(fields.rest(), &b"body"[..]);
    }

    #[test]
    fn malformed_fields_are_none() {
        for bad in [
            "",
            "5",
            "5:abc",
            ":",
            "x:a",
            "-1:a",
            "99999999999999999999:a",
            "18446744073709551615:a",
        ] {
            assert!(Fields::of(Bytes::from(bad)).bytes().is_none(), "{bad}");
        }
    }
}
