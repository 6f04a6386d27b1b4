//! The results, for people.

use super::{
    people::Addresses,
    report::{Report, Task, tokens},
};
use comfy_table::{CellAlignment, Table, presets};

fn table(title: &str, header: &[&str], right: usize, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(header);
    table.add_rows(rows);
    for index in right..header.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{title}\n{table}\n")
}

fn perbill(parts: Option<u32>) -> String {
    parts.map_or_else(
        || "–".into(),
        |parts| format!("{:.4} %", f64::from(parts) / 1e7),
    )
}

/// Secret URIs say more than addresses.
fn name(addresses: &Addresses, account: &str) -> String {
    let found = addresses.iter().find(|(_, address)| *address == account);
    found.map_or(account, |(suri, _)| suri.as_str()).into()
}

fn models(task: &Task, addresses: &Addresses) -> Vec<Vec<String>> {
    task.models
        .iter()
        .map(|model| {
            let status = match &model.reason {
                Some(reason) => format!("{} ({reason})", model.status),
                None => model.status.clone(),
            };
            vec![
                model.round.to_string(),
                name(addresses, &model.trainer),
                status,
                model
                    .raw
                    .map_or_else(|| "–".into(), |raw| format!("{:.6}", raw as f64 / 1e9)),
                perbill(model.score),
                model
                    .rank
                    .map_or_else(|| "–".into(), |rank| rank.to_string()),
                tokens(&model.reward),
            ]
        })
        .collect()
}

/// All tables of a report.
pub fn tables(report: &Report, addresses: &Addresses) -> String {
    let mut text = String::new();
    for task in &report.tasks {
        text += &format!("\nTask {}: {} ({})\n\n", task.id, task.name, task.state);
        let header = [
            "round", "trainer", "status", "measured", "score", "rank", "reward",
        ];
        text += &table("Models", &header, 3, models(task, addresses));
        let rows = task.validators.iter().map(|validator| {
            let who = name(addresses, &validator.account);
            vec![who, perbill(validator.distance), tokens(&validator.reward)]
        });
        text += &table(
            "Validators",
            &["validator", "distance", "reward"],
            1,
            rows.collect(),
        );
        let rows = task.delegators.iter().map(|delegator| {
            let who = name(addresses, &delegator.account);
            vec![who, tokens(&delegator.stake), tokens(&delegator.reward)]
        });
        text += &table(
            "Delegators",
            &["delegator", "stake", "reward"],
            1,
            rows.collect(),
        );
    }
    let sums = &report.conservation;
    let rows = [
        ("minted", &sums.minted),
        ("  rewards", &sums.rewards),
        ("  authors", &sums.authors),
        ("  treasury", &sums.treasury),
        ("  dust", &sums.dust),
        ("burned", &sums.burned),
        ("issuance before", &sums.issuance_before),
        ("issuance after", &sums.issuance_after),
    ];
    let rows = rows
        .map(|(what, amount)| vec![what.into(), tokens(amount)])
        .into();
    text += &format!("\n{}", table("Conservation", &["", "tokens"], 1, rows));
    text
}
