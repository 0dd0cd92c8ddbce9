//! Tables as Go's `tabwriter` sets them for runc: cells at least 12 wide, three blanks between them.

/// Sets rows in columns; the last column is not filled up.
pub(crate) fn set(rows: &[Vec<String>]) -> String {
    const LEAST: usize = 12;
    const GAP: usize = 3;
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (longest.unwrap_or(0) + GAP).max(LEAST)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < columns {
                let fill = widths[column].saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', fill));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_runcs() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let text = set(&[row(["ID", "PID"]), row(["a-long-name-of-one", "0"])]);
        assert_eq!(text, "ID                   PID\na-long-name-of-one   0\n");
        assert_eq!(set(&[row(["ID", "PID"])]), "ID          PID\n");
    }
}
