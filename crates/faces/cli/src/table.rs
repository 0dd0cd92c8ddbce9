//! Columns as Go's `text/tabwriter` aligns them: cells end with a tab, and a column is as wide as its widest cell in
//! the run of neighbouring lines that have it. The last cell of a line belongs to no column.

use unicode_width::UnicodeWidthChar;

/// How wide columns are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// The least width of a column, padding included.
    pub(crate) least: usize,
    /// Blanks after a column's widest cell.
    pub(crate) padding: usize,
}

/// The layout of listings.
pub(crate) const LISTING: Layout = Layout { least: 10, padding: 3 };
/// The layout of `top`.
pub(crate) const TOP: Layout = Layout { least: 20, padding: 3 };
/// The layout of `version`.
pub(crate) const VERSION: Layout = Layout { least: 20, padding: 1 };

/// Aligns the tab-separated cells of `text`.
pub(crate) fn align(text: &str, layout: Layout) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len()]).collect();
    measure(&lines, &mut widths, 0, 0, lines.len(), layout);
    let mut out = String::with_capacity(text.len() * 2);
    for (index, cells) in lines.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        for (column, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if column + 1 < cells.len() {
                let blanks = widths[index][column].saturating_sub(width(cell));
                out.extend(std::iter::repeat_n(' ', blanks));
            }
        }
    }
    out
}

/// Sets the widths of `column` and those right of it in the lines `first..end`.
fn measure(
    lines: &[Vec<&str>],
    widths: &mut [Vec<usize>],
    column: usize,
    first: usize,
    end: usize,
    layout: Layout,
) {
    let has_column = |line: usize| lines[line].len() > column + 1;
    let mut line = first;
    while line < end {
        if !has_column(line) {
            line += 1;
            continue;
        }
        let start = line;
        while line < end && has_column(line) {
            line += 1;
        }
        let widest = lines[start..line].iter().map(|cells| width(cells[column])).max().unwrap_or(0);
        let column_width = (widest + layout.padding).max(layout.least);
        for widths in &mut widths[start..line] {
            widths[column] = column_width;
        }
        measure(lines, widths, column + 1, start, line, layout);
    }
}

/// The columns that `text` takes on a terminal.
fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(1).max(1)).sum()
}

/// Cuts `text` to `most` columns, the last of them an ellipsis.
pub(crate) fn ellipsis(text: &str, most: usize) -> String {
    if most == 0 {
        return String::new();
    }
    if most == 1 {
        return text.chars().take(1).collect();
    }
    if width(text) <= most {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut taken = 0;
    for c in text.chars() {
        taken += c.width().unwrap_or(1).max(1);
        if taken > most - 1 {
            break;
        }
        cut.push(c);
    }
    cut + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = "NAME\tIMAGE\tSTATUS\nweb\tlocalhost:5000/team/web\tUp\nlongername1\tx\t\n";
        assert_eq!(
            align(text, LISTING),
            "NAME          IMAGE                     STATUS\n\
             web           localhost:5000/team/web   Up\n\
             longername1   x                         \n"
        );
    }

    #[test]
    fn a_line_without_the_column_parts_two_blocks() {
        let layout = Layout { least: 0, padding: 1 };
        assert_eq!(align("a\tb\nplain\nlonger\tc", layout), "a b\nplain\nlonger c");
    }

    #[test]
    fn cells_with_wide_letters_align() {
        assert_eq!(align("日本\tx\nabcd\ty", Layout { least: 0, padding: 1 }), "日本 x\nabcd y");
    }

    #[test]
    fn long_texts_end_with_an_ellipsis() {
        assert_eq!(ellipsis("/bin/sh -c 'while true'", 20), "/bin/sh -c 'while t…");
        assert_eq!(ellipsis("short", 20), "short");
        assert_eq!(ellipsis("日本語", 5), "日本…");
    }
}
