//! Random bytes as decisions: which example, and what becomes of it.

use serde_json::{Map, Value, json};

/// Decisions, drawn from random bytes; all zero when they are used up.
pub(crate) struct Choices<'a>(&'a [u8]);

/// What tends to break parsers.
const TOKENS: &[&[u8]] = &[
    b"",
    b" ",
    b"\0",
    b"\r\n",
    b"\"",
    b"\\",
    b"%",
    b"%00",
    b"%ff",
    b"+",
    b"&",
    b"=",
    b";",
    b",",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"--",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\\u0000",
    b"\\ud800",
    b"1e400",
    b"-0",
    b"18446744073709551616",
    b"null",
    b"[[[[[[[[[[[[[[[[",
    b"a=b&a=b",
    b"sha256=",
    b"v1=",
    b"v1,",
    b"t=",
    b"t=0,",
    b"9999999999999",
    b"\xf0\x9f\x98\x80",
    b"{\"a\":1,\"a\":2}",
    b"Content-Disposition: form-data; name=\"a\"",
];

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let (taken, rest) = self.0.split_at(self.0.len().min(2));
        self.0 = rest;
        let number = taken.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
        if n == 0 { 0 } else { number % n }
    }

    pub(crate) fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    /// One time in `n`.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// What is left, as it is.
    pub(crate) fn rest(&mut self, longest: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(self.0.len().min(longest));
        self.0 = rest;
        taken.to_vec()
    }

    /// An example with up to five changes.
    pub(crate) fn changed(&mut self, example: &[u8]) -> Vec<u8> {
        let mut text = example.to_vec();
        for _ in 0..self.below(6) {
            let at = self.below(text.len() + 1);
            let end = (at + self.below(9)).min(text.len());
            match self.below(6) {
                0 => text.splice(at..at, self.of(TOKENS).iter().copied()).count(),
                1 => text.splice(at..end, self.of(TOKENS).iter().copied()).count(),
                2 => text.splice(at..end, []).count(),
                3 => {
                    let part = text[at..end].repeat(1 + self.below(200));
                    text.splice(at..end, part).count()
                }
                4 => {
                    text.truncate(at);
                    0
                }
                _ => {
                    if let Some(byte) = text.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                    0
                }
            };
        }
        text
    }

    /// A JSON value with up to five of its parts replaced.
    pub(crate) fn changed_json(&mut self, example: &Value) -> Value {
        let mut value = example.clone();
        for _ in 0..self.below(6) {
            let mut part = &mut value;
            for _ in 0..self.below(6) {
                let size = part.as_array().map_or(0, Vec::len) + part.as_object().map_or(0, Map::len);
                if size == 0 {
                    break;
                }
                let n = self.below(size);
                part = match part {
                    Value::Array(items) => &mut items[n],
                    Value::Object(map) => map.values_mut().nth(n).unwrap(),
                    _ => unreachable!("it has parts"),
                };
            }
            *part = self.json();
        }
        value
    }

    fn json(&mut self) -> Value {
        match self.below(12) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(u64::MAX),
            4 => json!(1e300),
            5 => json!(""),
            6 => json!(" \u{0}\u{202e}é😀"),
            7 => json!("a".repeat(self.below(70_000))),
            8 => json!([]),
            9 => json!(vec![
                json!({"type": "email", "email": "a@b.example"});
                self.below(2000)
            ]),
            10 => Value::Object(Map::new()),
            _ => json!(String::from_utf8_lossy(&self.rest(24))),
        }
    }
}
