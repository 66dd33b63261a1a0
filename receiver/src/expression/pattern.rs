//! Regular expressions of `matches`, and what they may cost.

use std::cell::RefCell;

use regex::{Error, Regex, RegexBuilder};

use super::budget::Meter;
use super::fault::Fault;

/// Longest pattern in bytes.
const MAX_PATTERN: usize = 512;
/// Sizes in KiB that a compiled pattern may have; the smallest that does tells what a character of text may cost.
const SIZES: [usize; 4] = [4, 16, 64, 256];
/// Steps that compiling a pattern of a payload costs: some milliseconds at most.
const COMPILE_STEPS: u64 = 20_000;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    regex: Regex,
    /// Its size in KiB.
    size: u64,
}

impl Pattern {
    /// Compiles, or says what is wrong.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!("it is longer than {MAX_PATTERN} bytes"));
        }
        for size in SIZES {
            let built = RegexBuilder::new(text)
                .size_limit(size << 10)
                .dfa_size_limit(256 << 10)
                .build();
            match built {
                Ok(regex) => {
                    return Ok(Self {
                        regex,
                        size: size as u64,
                    });
                }
                Err(Error::CompiledTooBig(_)) => {}
                Err(error) => {
                    let text = error.to_string();
                    let reason = text.lines().last().unwrap_or_default();
                    return Err(reason.trim_start_matches("error: ").to_owned());
                }
            }
        }
        Err("it is too large; use fewer repetitions".to_owned())
    }

    /// Searches a text. At worst every state of the pattern is looked at for every character.
    pub(super) fn is_match(&self, text: &str, meter: &Meter) -> Result<bool, Fault> {
        meter.steps(text.len() as u64 * self.size + 1)?;
        Ok(self.regex.is_match(text))
    }
}

/// The last pattern that was no literal: loops use the same again and again.
#[derive(Debug, Default)]
pub(super) struct LastPattern(RefCell<Option<(String, Pattern)>>);

impl LastPattern {
    /// Searches a text, after compiling the pattern if it is another one.
    pub(super) fn search(&self, pattern: &str, text: &str, meter: &Meter) -> Result<bool, Fault> {
        let mut last = self.0.borrow_mut();
        if let Some((known, compiled)) = last.as_ref()
            && known == pattern
        {
            return compiled.is_match(text, meter);
        }
        meter.steps(COMPILE_STEPS)?;
        let compiled =
            Pattern::new(pattern).map_err(|_| Fault::Value("a pattern is not valid".to_owned()))?;
        let (_, compiled) = last.insert((pattern.to_owned(), compiled));
        compiled.is_match(text, meter)
    }
}
