//! The text of the reference: a section for each method, and the table of errors.

use super::{Example, Method, NAMESPACE, problems, sorted};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Longest answer that is shown whole, in lines.
const LINES: usize = 60;

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(&sorted(value.clone())).unwrap_or_default();
    if text.lines().count() <= LINES {
        return text;
    }
    let shown: Vec<&str> = text.lines().take(LINES).collect();
    format!("{}\n…", shown.join("\n"))
}

fn params(method: &Method) -> String {
    let rows = method.params.iter().map(|param| {
        let kind = if param.required {
            ""
        } else {
            " (may be left out or null)"
        };
        format!("- `{}`{kind}: {}\n", param.name, param.about)
    });
    rows.collect()
}

fn refusals(method: &Method) -> String {
    // What every call can meet is told once.
    let own = method
        .problems
        .iter()
        .filter(|problem| problem.code() > 9_004);
    let names: Vec<String> = own.map(|problem| format!("`{}`", problem.name())).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("\nRefusals: {}.\n", names.join(", "))
}

fn example(method: &Method, example: &Example) -> String {
    let request = sorted(json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": method.full_name(),
        "params": example.params,
    }));
    let what = match method.subscription {
        Some(other) => format!("A message of `{NAMESPACE}_{}`", other.notification),
        None => "The answer's `result`".into(),
    };
    format!(
        "\n```json\n{request}\n```\n\n{what}:\n\n```json\n{}\n```\n",
        pretty(&example.result)
    )
}

fn section(method: &Method, examples: &BTreeMap<&str, Example>) -> String {
    let ends = method
        .subscription
        .map(|other| format!(" `{NAMESPACE}_{}` ends it.", other.unsubscribe));
    let shown = examples
        .get(method.name)
        .map(|found| example(method, found));
    format!(
        "### {}\n\n{}{}\n\n{}{}{}\n",
        method.full_name(),
        method.about,
        ends.unwrap_or_default(),
        params(method),
        refusals(method),
        shown.unwrap_or_default(),
    )
}

/// All sections.
pub(super) fn sections(methods: &[Method], examples: &BTreeMap<&str, Example>) -> String {
    let mut text = String::from(
        "## Errors\n\n| code | name | what happened, and what to do |\n| --- | --- | --- |\n",
    );
    for problem in problems::ALL {
        let row = format!(
            "| {} | `{}` | {} |\n",
            problem.code(),
            problem.name(),
            problem.message()
        );
        text.push_str(&row);
    }
    text.push_str("\n## Methods\n\n");
    for method in methods {
        text.push_str(&section(method, examples));
    }
    // One empty line at most.
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text.trim_end().into()
}
