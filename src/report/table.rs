//! Results as tables: the summary of a run, and listings.
//!
//! Renders only. File names stand on one line each, so that they can be copied.

use std::path::PathBuf;
use std::time::Duration;

use comfy_table::{
    ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle,
};

use crate::digest::Digest;
use crate::platform::TargetId;

use super::event::{Outcome, kind_word};
use super::text::{Colour, coloured, human_duration, human_size, one_line};

/// What a run did, one row a platform.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The platforms, in the order of the plan.
    pub rows: Vec<SummaryRow>,
}

/// What a run did for a platform.
#[derive(Debug, Clone)]
pub struct SummaryRow {
    /// The platform.
    pub platform: TargetId,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// What was taken from earlier runs, such as `wheels`.
    pub reused: Vec<String>,
    /// The files it made, or found up to date.
    pub files: Vec<SummaryFile>,
    /// Its full log.
    pub log: PathBuf,
}

/// A file that a run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryFile {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

/// How tables look.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Columns to keep to; without one nothing is wrapped.
    pub(super) width: Option<u16>,
    pub(super) colours: bool,
}

impl Summary {
    /// The platforms, then their files, then the failures with their logs; without a line end.
    pub(super) fn render(&self, look: Look) -> String {
        let mut parts = vec![self.render_platforms(look)];
        if self.rows.iter().any(|row| !row.files.is_empty()) {
            parts.push(self.render_files());
        }
        let failures: Vec<String> = self.rows.iter().filter_map(render_failure).collect();
        if !failures.is_empty() {
            parts.push(failures.join("\n"));
        }
        parts.join("\n\n")
    }

    fn render_platforms(&self, look: Look) -> String {
        let rows = self.rows.iter().map(|row| {
            vec![
                row.platform.to_string(),
                result(&row.outcome),
                human_duration(row.took),
                if row.reused.is_empty() {
                    "-".to_owned()
                } else {
                    row.reused.join(", ")
                },
            ]
        });
        let mut table = new_table(&["platform", "result", "time", "reused"], rows, look.width);
        for index in 0..3 {
            if let Some(column) = table.column_mut(index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let start = table
            .column_max_content_widths()
            .first()
            .map_or(0, |width| *width + GAP);
        let mut rows = self.rows.iter();
        let mut lines: Vec<String> = finished_lines(&table);
        // Colours are added last because the table counts them as text. A wrapped row goes on
        // in lines that begin with a blank.
        for line in lines.iter_mut().skip(HEADER_LINES) {
            if !line.starts_with(' ')
                && let Some(row) = rows.next()
            {
                colour_result(line, usize::from(start), &row.outcome, look.colours);
            }
        }
        lines.join("\n")
    }

    fn render_files(&self) -> String {
        let rows = self.rows.iter().flat_map(|row| {
            row.files.iter().map(|file| {
                vec![
                    row.platform.to_string(),
                    one_line(&file.name),
                    human_size(file.size),
                    file.digest.short().to_owned(),
                ]
            })
        });
        finished_lines(&new_table(
            &["platform", "file", "size", "sha256"],
            rows,
            None,
        ))
        .join("\n")
    }
}

pub(super) fn result(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { kind, .. } => format!("{} ({})", outcome.word(), kind_word(*kind)),
        Outcome::Built
        | Outcome::UpToDate
        | Outcome::Cancelled
        | Outcome::Planned
        | Outcome::Locked
        | Outcome::Pushed
        | Outcome::Checked => outcome.word().to_owned(),
    }
}

fn render_failure(row: &SummaryRow) -> Option<String> {
    match &row.outcome {
        Outcome::Failed { message, .. } => Some(format!(
            "{}: {}\n  log: {}",
            row.platform,
            one_line(message),
            row.log.display()
        )),
        Outcome::Built
        | Outcome::UpToDate
        | Outcome::Cancelled
        | Outcome::Planned
        | Outcome::Locked
        | Outcome::Pushed
        | Outcome::Checked => None,
    }
}

/// The colour of an outcome; its word says the same.
pub(super) fn outcome_colour(outcome: &Outcome) -> Colour {
    match outcome {
        Outcome::Built | Outcome::UpToDate | Outcome::Checked => Colour::Green,
        Outcome::Failed { .. } => Colour::Red,
        Outcome::Cancelled => Colour::Yellow,
        Outcome::Planned | Outcome::Locked | Outcome::Pushed => Colour::Cyan,
    }
}

fn colour_result(line: &mut String, start: usize, outcome: &Outcome, colours: bool) {
    let text = result(outcome);
    let end = start + text.len();
    // Platform names and results are ASCII, so columns are bytes.
    if line.get(start..end) == Some(text.as_str()) {
        line.replace_range(
            start..end,
            &coloured(&text, outcome_colour(outcome), colours),
        );
    }
}

/// Blanks between columns.
const GAP: u16 = 2;

/// The names of the columns, and the rule below them.
const HEADER_LINES: usize = 2;

/// Rows under column names, for `platforms` and its like; without a line end.
pub fn listing(columns: &[&str], rows: &[Vec<String>], width: Option<u16>) -> String {
    let rows = rows
        .iter()
        .map(|row| row.iter().map(|cell| one_line(cell)).collect());
    finished_lines(&new_table(columns, rows, width)).join("\n")
}

fn new_table(
    columns: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    width: Option<u16>,
) -> Table {
    let style = TableStyle::new()
        .header_lines(ContentLineStyle::none())
        .header_separator(LineStyle::none().fill('-').junction('-'))
        .content_lines(ContentLineStyle::none());
    let mut table = Table::new();
    table
        .load_style(style)
        .set_header(columns.to_vec())
        .add_rows(rows);
    match width {
        Some(width) => {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    for column in table.column_iter_mut() {
        // The table adds one blank where it would draw a line.
        column.set_padding((0, GAP - 1));
    }
    table
}

fn finished_lines(table: &Table) -> Vec<String> {
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn row(platform: &str, outcome: Outcome, milliseconds: u64, reused: &[&str]) -> SummaryRow {
        SummaryRow {
            platform: platform.parse().unwrap(),
            outcome,
            took: Duration::from_millis(milliseconds),
            reused: reused.iter().map(|&name| name.to_owned()).collect(),
            files: Vec::new(),
            log: format!(".omnibuild/logs/{platform}.log").into(),
        }
    }

    fn example() -> Summary {
        let mut built = row("debian-12", Outcome::Built, 123_400, &["base", "wheels"]);
        built.files = vec![
            SummaryFile {
                name: "acme-mytool_1.2.0-1_all.deb".into(),
                size: 1_234,
                digest: Digest::of("meta"),
            },
            SummaryFile {
                name: "acme-mytool-omnibus_1.2.0-1_amd64.deb".into(),
                size: 18_200_000,
                digest: Digest::of("omnibus"),
            },
        ];
        let failed = Outcome::Failed {
            kind: Kind::Wheel,
            message: "can't build `greenlet`".into(),
        };
        Summary {
            rows: vec![
                built,
                row("centos-7", failed, 12_100, &[]),
                row(
                    "ubuntu-24.04",
                    Outcome::UpToDate,
                    80,
                    &["base", "image", "wheels", "bundle"],
                ),
            ],
        }
    }

    #[test]
    fn the_summary_lists_platforms_files_and_failures() {
        insta::assert_snapshot!(example().render(Look::default()), @r"
        platform      result          time        reused
        ----------------------------------------------------------------------
        debian-12     built           2 min 03 s  base, wheels
        centos-7      failed (wheel)  12.1 s      -
        ubuntu-24.04  up to date      0.1 s       base, image, wheels, bundle

        platform   file                                   size     sha256
        ------------------------------------------------------------------------
        debian-12  acme-mytool_1.2.0-1_all.deb            1.2 kB   ea3bd73e2b50
        debian-12  acme-mytool-omnibus_1.2.0-1_amd64.deb  18.2 MB  0de91c90064b

        centos-7: can't build `greenlet`
          log: .omnibuild/logs/centos-7.log
        ");
    }

    #[test]
    fn a_narrow_terminal_wraps_only_what_was_reused() {
        let look = Look {
            width: Some(60),
            colours: false,
        };
        let text = example().render_platforms(look);
        assert!(text.lines().all(|line| line.len() <= 60), "{text}");
        assert!(
            text.contains("ubuntu-24.04  up to date      0.1 s"),
            "{text}"
        );
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(
            words.ends_with(&["base,", "image,", "wheels,", "bundle"]),
            "{text}"
        );
    }

    #[test]
    fn colours_change_nothing_else() {
        for width in [None, Some(60)] {
            let plain = example().render(Look {
                width,
                colours: false,
            });
            let colours = example().render(Look {
                width,
                colours: true,
            });
            assert!(
                colours.contains("\u{1b}[1;31mfailed (wheel)\u{1b}[0m"),
                "{colours}"
            );
            assert!(colours.contains("\u{1b}[32mbuilt\u{1b}[0m"), "{colours}");
            assert!(
                colours.contains("\u{1b}[32mup to date\u{1b}[0m"),
                "{colours}"
            );
            let stripped: Vec<String> = colours.lines().map(one_line).collect();
            assert_eq!(stripped.join("\n"), plain);
        }
    }

    #[test]
    fn nothing_is_wrapped_without_a_width() {
        let long = "word ".repeat(100);
        let text = listing(&["name", "text"], &[vec!["a".into(), long.clone()]], None);
        assert_eq!(
            text.lines().last().unwrap(),
            format!("a     {}", long.trim_end())
        );
        assert_eq!(text.lines().count(), HEADER_LINES + 1);
    }
}
