//! What is printed: results on stdout, everything else on stderr.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use crate::Usage;
use crate::text::{json, plain, yaml};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// More columns.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Names or ids only.
    Name,
    /// Only what is wrong (check).
    Short,
}

/// The colour of a cell, on a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Paint {
    #[default]
    None,
    Good,
    Warning,
    Bad,
    Dim,
}

/// A cell of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    pub(crate) fn new(text: &str, paint: Paint) -> Self {
        Self {
            text: plain(text),
            paint,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text.as_ref(), Paint::None)
    }
}

/// Something that a table has a line of.
pub(crate) trait Row: Serialize {
    /// The columns, of which the last ones are only in the wide table.
    const COLUMNS: &'static [&'static str];
    /// How many columns the table has that is not wide.
    const NARROW: usize;
    /// A cell for each column; several lines where one does not do.
    fn lines(&self) -> Vec<Vec<Cell>>;
    /// For `-o name`.
    fn name(&self) -> String;
}

/// Standard output cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct NotPrinted(pub(crate) io::Error);

fn print(text: &str) -> Result<(), NotPrinted> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(NotPrinted)
}

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    colours: bool,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            format,
            colours: wanted && io::stdout().is_terminal(),
        }
    }

    pub(crate) fn is_for_people(self) -> bool {
        matches!(self.format, Format::Table | Format::Wide | Format::Short)
    }

    /// Text with a colour, where there are colours. It must be plain already.
    pub(crate) fn paint(self, text: &str, paint: Paint) -> String {
        let code = match paint {
            Paint::Good => "32",
            Paint::Warning => "33",
            Paint::Bad => "31",
            Paint::Dim => "2",
            Paint::None => return text.to_owned(),
        };
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Prints a line to stdout. It must be plain already.
    #[allow(clippy::unused_self, reason = "whoever prints has an Output")]
    pub(crate) fn line(self, text: &str) -> Result<(), NotPrinted> {
        print(&format!("{text}\n"))
    }

    /// Prints one thing: JSON or YAML as asked for, else what `people` makes of it.
    pub(crate) fn one<T: Serialize>(
        self,
        thing: &T,
        name: &str,
        people: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let text = match self.format {
            Format::Json => json(thing)?,
            Format::Yaml => yaml(thing)?,
            Format::Name => plain(name),
            Format::Table | Format::Wide | Format::Short => people(),
        };
        self.line(text.trim_end_matches('\n'))?;
        Ok(())
    }

    /// A list that is printed page by page.
    pub(crate) fn list<T: Row>(self) -> ListPrinter<T> {
        ListPrinter {
            output: self,
            printed: 0,
            kind: std::marker::PhantomData,
        }
    }

    /// Prints a list that is known as a whole.
    pub(crate) fn all<T: Row>(self, items: &[T], nothing: &str) -> anyhow::Result<()> {
        let mut list = self.list();
        list.page(items)?;
        list.end(nothing)
    }

    /// Lines of cells in columns.
    pub(crate) fn columns(self, lines: &[Vec<Cell>]) -> String {
        let mut widths: Vec<usize> = Vec::new();
        for line in lines {
            widths.resize(widths.len().max(line.len()), 0);
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let mut text = String::new();
        for line in lines {
            for (n, (cell, width)) in line.iter().zip(&widths).enumerate() {
                text.push_str(&self.paint(&cell.text, cell.paint));
                if n + 1 < line.len() {
                    let blanks = width - cell.text.chars().count() + 3;
                    text.extend(std::iter::repeat_n(' ', blanks));
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

/// Prints a list page by page, so that a long one needs no memory.
pub(crate) struct ListPrinter<T> {
    output: Output,
    printed: usize,
    kind: std::marker::PhantomData<T>,
}

impl<T: Row> ListPrinter<T> {
    pub(crate) fn page(&mut self, items: &[T]) -> anyhow::Result<()> {
        let mut text = String::new();
        match self.output.format {
            Format::Json => {
                for item in items {
                    text.push_str(if self.printed == 0 {
                        "{\"items\": [\n"
                    } else {
                        ",\n"
                    });
                    text.push_str(&json(item)?);
                    self.printed += 1;
                }
            }
            Format::Yaml => {
                for item in items {
                    if self.printed == 0 {
                        text.push_str("items:\n");
                    }
                    text.push_str(&yaml(&[item])?);
                    self.printed += 1;
                }
            }
            Format::Name => {
                for item in items {
                    let _ = writeln!(text, "{}", plain(&item.name()));
                    self.printed += 1;
                }
            }
            Format::Table | Format::Wide | Format::Short => {
                let shown = if self.output.format == Format::Wide {
                    T::COLUMNS.len()
                } else {
                    T::NARROW
                };
                let mut lines: Vec<Vec<Cell>> = Vec::new();
                if self.printed == 0 && !items.is_empty() {
                    lines.push(T::COLUMNS.iter().map(Into::into).collect());
                }
                lines.extend(items.iter().flat_map(Row::lines));
                for line in &mut lines {
                    line.truncate(shown);
                }
                self.printed += items.len();
                text = self.output.columns(&lines);
            }
        }
        print(&text)?;
        Ok(())
    }

    pub(crate) fn printed(&self) -> usize {
        self.printed
    }

    /// Ends the list. `nothing`: what to tell people of an empty one.
    pub(crate) fn end(self, nothing: &str) -> anyhow::Result<()> {
        match self.output.format {
            Format::Json if self.printed == 0 => self.output.line("{\"items\": []}")?,
            Format::Json => self.output.line("\n]}")?,
            Format::Yaml if self.printed == 0 => self.output.line("items: []")?,
            Format::Table | Format::Wide | Format::Short if self.printed == 0 => note(nothing),
            _ => {}
        }
        Ok(())
    }
}

/// Tells a person something that is no result.
pub(crate) fn note(text: &str) {
    eprintln!("{}", plain(text));
}

/// Shows how far something is, in one line that is written over; only on a terminal.
pub(crate) fn progress(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\u{1b}[K{}", plain(text));
    }
}

/// Asks for a yes. Without a terminal nobody could answer.
pub(crate) fn confirm(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        let what =
            "there is no terminal to confirm this on: add --yes, or see with --dry-run what would be done";
        return Err(Usage(format!("{question} {what}")).into());
    }
    eprint!("{} [y/N] ", plain(question));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let agreed = matches!(answer.trim(), "y" | "Y" | "yes");
    if !agreed {
        note("Nothing was done.");
    }
    Ok(agreed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let output = Output {
            format: Format::Table,
            colours: false,
        };
        let lines = [
            vec!["ID".into(), "WHY".into()],
            vec!["ü漢x".into(), "".into()],
            vec!["a".into(), "b".into()],
        ];
        assert_eq!(output.columns(&lines), "ID    WHY\nü漢x\na     b\n");
    }
}
