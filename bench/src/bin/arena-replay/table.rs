//! Table 1 of the paper: its tasks, how long they ran, and who took part.

use anyhow::{Context, Result, ensure};

const TABLE: &str = include_str!("../../../data/table1.csv");

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) days: u32,
    pub(crate) trainers: u32,
    pub(crate) validators: u32,
    pub(crate) delegators: u32,
}

/// All rows, in the paper's order.
pub(crate) fn rows() -> Result<Vec<Row>> {
    let mut lines = TABLE.lines();
    let columns: Vec<&str> = lines.next().context("an empty table")?.split(',').collect();
    lines.map(|line| row(&columns, line)).collect()
}

fn row(columns: &[&str], line: &str) -> Result<Row> {
    let fields: Vec<&str> = line.split(',').collect();
    ensure!(
        fields.len() == columns.len(),
        "a row of another length: {line}"
    );
    let field = |name: &str| -> Result<&str> {
        let at = columns.iter().position(|column| *column == name);
        at.and_then(|at| fields.get(at))
            .copied()
            .with_context(|| format!("no column {name}"))
    };
    let number = |name: &str| -> Result<u32> {
        field(name)?
            .parse()
            .with_context(|| format!("{name} of {line}"))
    };
    Ok(Row {
        name: field("name")?.to_owned(),
        days: number("days")?,
        trainers: number("training_nodes")?,
        validators: number("validators")?,
        delegators: number("delegators")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_should_have_the_papers_sixteen_tasks() {
        let rows = rows().unwrap();
        assert_eq!(rows.len(), 16);
        let largest = rows.iter().map(|row| row.validators).max();
        assert_eq!(largest, Some(456));
        let delegators: u32 = rows.iter().map(|row| row.delegators).sum();
        assert_eq!(delegators, 156_025);
    }
}
