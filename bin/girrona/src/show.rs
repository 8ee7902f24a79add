//! How things look: colour where there is a terminal that wants it (`NO_COLOR` is respected), plain
//! text elsewhere, JSON for programs.

use std::{io::IsTerminal, time::Duration};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// Headings.
pub(crate) const BOLD: Style = Style::new().bold();
/// What is beside the point.
pub(crate) const DIM: Style = Style::new().dimmed();
/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What did not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What one may copy.
pub(crate) const LINK: Style = AnsiColor::Cyan.on_default();

/// A text in a style.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints a line for people.
macro_rules! say {
    ($($text:tt)*) => { anstream::println!($($text)*) };
}
pub(crate) use say;

/// Prints an error with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    anstream::eprintln!("{}: {error:#}", styled(BAD, "error"));
}

/// Prints a note that is no result.
pub(crate) fn note(text: &str) {
    anstream::eprintln!("{}", styled(DIM, text));
}

/// Prints one JSON object, with line breaks for people's eyes.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("write JSON")?;
    say!("{text}");
    Ok(())
}

/// Prints one JSON object on one line, for a stream of them.
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).context("write JSON")?;
    say!("{text}");
    Ok(())
}

/// Whether a person sees what we print.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Something that turns while we wait; nothing at all where there is no terminal.
#[derive(Debug)]
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    /// Starts turning.
    pub(crate) fn start(text: impl Into<String>) -> Self {
        let bar = ProgressBar::new_spinner().with_message(text.into());
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Changes the text.
    pub(crate) fn say(&self, text: impl Into<String>) {
        self.0.set_message(text.into());
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar that fills with bytes; nothing at all where there is no terminal.
#[derive(Clone, Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Empty. With 0 for the total it only counts.
    pub(crate) fn start(text: &'static str, total: u64) -> Self {
        let (bar, template) = if total > 0 {
            (
                ProgressBar::new(total),
                "{msg:>9} {bar:30.cyan} {bytes}/{total_bytes} {bytes_per_sec:.dim} {eta:.dim}",
            )
        } else {
            (ProgressBar::new_spinner(), "{msg:>9} {spinner:.cyan} {bytes} {bytes_per_sec:.dim}")
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar.with_message(text))
    }

    /// More was done.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// All was.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// Rows of text in columns; the first column to the left, the others to the right.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    line.push_str(&format!("{cell:<width$}"));
                } else {
                    line.push_str(&format!("  {cell:>width$}"));
                }
            }
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let rows: Vec<Vec<String>> = vec![row(&["", "node-0"]), row(&["deploy received", "3 ms"])];
        assert_eq!(table(&rows), ["                 node-0", "deploy received    3 ms"]);
    }
}
