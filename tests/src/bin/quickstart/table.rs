//! Columns that stand below each other.

use std::fmt::Write as _;
use std::io;

use leadgate_receiver::shown;

/// Prints rows below their headings.
pub(crate) fn print<const N: usize>(headings: &[&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let headings = headings.map(str::to_owned);
    let all: Vec<&[String; N]> = std::iter::once(&headings).chain(rows).collect();
    lines(&all)
}

/// Prints rows without headings.
pub(crate) fn print_plain<const N: usize>(rows: &[[&str; N]]) -> io::Result<()> {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.map(str::to_owned)).collect();
    lines(&rows.iter().collect::<Vec<_>>())
}

fn lines<const N: usize>(rows: &[&[String; N]]) -> io::Result<()> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| shown::line(cell)))
        .collect();
    for row in &rows {
        let mut line = String::from(" ");
        for (column, cell) in row.iter().enumerate() {
            let width = |row: &[_; N]| {
                row.get(column)
                    .map_or(0, |cell: &std::borrow::Cow<'_, str>| cell.chars().count())
            };
            let width = rows.iter().map(width).max().unwrap_or(0);
            let _ = write!(line, " {cell:<width$} ");
        }
        say(line.trim_end())?;
    }
    Ok(())
}

/// Prints a paragraph.
pub(crate) fn say(text: &str) -> io::Result<()> {
    shown::print(&format!("{text}\n"))
}
