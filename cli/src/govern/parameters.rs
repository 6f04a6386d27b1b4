//! Governed parameters: what they are, and calls that set them.

use crate::{
    amount::{Amount, parse_percent, percent},
    chain::{At, Chain, parameters},
    fail,
    out::{self, Out},
    views::{Parameter, Unit},
};
use anyhow::Result;
use serde::Serialize;
use std::str::FromStr;
use subxt::{
    dynamic::{self, Value},
    ext::scale_value::Composite,
    transactions::DynamicPayload,
};

/// What takes back a parameter that governance set.
const DEFAULT: &str = "default";

/// `NAME=VALUE` of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    name: String,
    value: String,
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if name.contains('.') && !value.is_empty() => Ok(Setting {
                name: name.into(),
                value: value.into(),
            }),
            _ => Err(format!(
                "{text:?} sets no parameter; write e.g. challenges.juror-fee=3"
            )),
        }
    }
}

/// `JurorFee` as `juror-fee`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// The name on the command line.
fn full_name(parameter: &Parameter) -> String {
    format!("{}.{}", kebab(&parameter.group), kebab(&parameter.name))
}

fn text(unit: Unit, number: Amount) -> String {
    match unit {
        Unit::Tokens => format!("{number} tokens"),
        Unit::Share => percent(u32::try_from(number.0).unwrap_or(u32::MAX)),
        Unit::Minutes => format!("{} minutes", number.0),
        Unit::Days => format!("{} days", number.0),
        Unit::Bytes => format!("{} bytes", number.0),
        Unit::Count => number.0.to_string(),
    }
}

fn number(unit: Unit, text: &str) -> Result<u128, String> {
    match unit {
        Unit::Tokens => text.parse::<Amount>().map(|amount| amount.0),
        Unit::Share => parse_percent(text).map(u128::from),
        Unit::Minutes | Unit::Days | Unit::Bytes | Unit::Count => text
            .parse()
            .map_err(|_| format!("{text:?} is no whole number")),
    }
}

/// A parameter with its new value; `None` takes back what governance set.
#[derive(Debug, PartialEq, Eq)]
struct Change<'a> {
    parameter: &'a Parameter,
    value: Option<u128>,
}

fn change<'a>(all: &'a [Parameter], setting: &Setting) -> Result<Change<'a>, String> {
    let name = &setting.name;
    let parameter = all
        .iter()
        .find(|parameter| full_name(parameter) == *name)
        .ok_or_else(|| format!("there is no parameter {name}; `arena parameters` names all"))?;
    if setting.value == DEFAULT {
        let value = None;
        return Ok(Change { parameter, value });
    }
    let unit = parameter.unit;
    let value = number(unit, &setting.value).map_err(|why| format!("{name}: {why}"))?;
    let (least, most) = (parameter.least, parameter.most);
    if value < least.0 || value > most.0 {
        let (least, most) = (text(unit, least), text(unit, most));
        return Err(format!("{name} must be from {least} to {most}"));
    }
    let value = Some(value);
    Ok(Change { parameter, value })
}

fn call_of(change: &Change<'_>) -> DynamicPayload<Composite<()>> {
    let value = match change.value {
        Some(number) => Value::unnamed_variant("Some", [Value::u128(number)]),
        None => Value::unnamed_variant("None", Vec::<Value>::new()),
    };
    let key = Value::unnamed_composite(Vec::<Value>::new());
    let inner = Value::unnamed_variant(&change.parameter.name, [key, value]);
    let outer = Value::unnamed_variant(&change.parameter.group, [inner]);
    let fields = Composite::named([("key_value", outer)]);
    dynamic::transaction("Parameters", "set_parameter", fields)
}

/// The bytes of the call that sets all of them.
pub(super) async fn set_call(at: &At, settings: &[Setting]) -> Result<Vec<u8>> {
    let all = parameters(at).await?;
    let changes = settings
        .iter()
        .map(|setting| change(&all, setting).map_err(fail::bad_input))
        .collect::<Result<Vec<_>>>()?;
    let encode = |call: &DynamicPayload<Composite<()>>| at.transactions().call_data(call);
    let bytes = match changes.as_slice() {
        [one] => encode(&call_of(one)),
        many => {
            let calls = many.iter().map(|change| call_of(change).into_value());
            let fields = Composite::named([("calls", Value::unnamed_composite(calls))]);
            encode(&dynamic::transaction("Utility", "batch_all", fields))
        }
    };
    bytes.map_err(fail::extrinsic)
}

/// Shows all parameters.
pub(crate) async fn show(out: Out, chain: &Chain) -> Result<()> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        name: String,
        unit: Unit,
        value: Amount,
        least: Amount,
        most: Amount,
        governed: bool,
    }
    let all = parameters(&chain.best().await?).await?;
    let rows: Vec<Row> = all
        .iter()
        .map(|parameter| Row {
            name: full_name(parameter),
            unit: parameter.unit,
            value: parameter.value,
            least: parameter.least,
            most: parameter.most,
            governed: parameter.governed,
        })
        .collect();
    out.show(&rows, |rows| {
        let mut table = out::table(["parameter", "value", "least", "most", "set by"]);
        for row in rows {
            let set_by = if row.governed {
                "governance"
            } else {
                "genesis"
            };
            table.add_row([
                row.name.clone(),
                text(row.unit, row.value),
                text(row.unit, row.least),
                text(row.unit, row.most),
                set_by.into(),
            ]);
        }
        table.to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Parameter> {
        let row = |group: &str, name: &str, unit, most| Parameter {
            group: group.into(),
            name: name.into(),
            unit,
            value: Amount(1),
            least: Amount(1),
            most: Amount(most),
            governed: false,
        };
        vec![
            row("Challenges", "JurorFee", Unit::Tokens, 5_000_000_000_000),
            row("Staking", "CommissionCap", Unit::Share, 1_000_000_000),
            row("Tasks", "MaxRounds", Unit::Count, 366),
        ]
    }

    fn read(text: &str) -> Result<Option<u128>, String> {
        let all = all();
        change(&all, &text.parse()?).map(|change| change.value)
    }

    #[test]
    fn settings_should_be_read_in_the_unit_of_their_parameter() {
        assert_eq!(read("challenges.juror-fee=3"), Ok(Some(3_000_000_000_000)));
        assert_eq!(read("staking.commission-cap=12.5%"), Ok(Some(125_000_000)));
        assert_eq!(read("tasks.max-rounds=30"), Ok(Some(30)));
        assert_eq!(read("tasks.max-rounds=default"), Ok(None));
    }

    #[test]
    fn settings_should_be_refused_with_what_they_may_be() {
        for (text, why) in [
            ("tasks.max-rounds", "sets no parameter"),
            ("max-rounds=3", "sets no parameter"),
            ("tasks.max-rounds=", "sets no parameter"),
            ("tasks.rounds=3", "no parameter tasks.rounds"),
            ("tasks.max-rounds=1.5", "no whole number"),
            ("tasks.max-rounds=367", "from 1 to 366"),
            ("challenges.juror-fee=6", "to 5 tokens"),
            ("staking.commission-cap=101", "more than 100 percent"),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn changes_should_be_calls_of_the_chain() {
        let block = super::super::offline::block();
        let all = all();
        let bytes = |text: &str| {
            let change = change(&all, &text.parse().unwrap()).unwrap();
            block.transactions().call_data(&call_of(&change)).unwrap()
        };
        // Pallet, call, group, parameter, and the value, if one is set.
        let fee = 3_000_000_000_000u128.to_le_bytes();
        assert_eq!(
            bytes("challenges.juror-fee=3"),
            [&[36, 0, 2, 5, 1][..], &fee].concat()
        );
        let cap = 125_000_000u32.to_le_bytes();
        assert_eq!(
            bytes("staking.commission-cap=12.5%"),
            [&[36, 0, 3, 4, 1][..], &cap].concat()
        );
        assert_eq!(bytes("tasks.max-rounds=30"), [36, 0, 0, 2, 1, 30, 0, 0, 0]);
        assert_eq!(bytes("tasks.max-rounds=default"), [36, 0, 0, 2, 0]);
    }

    #[test]
    fn numbers_should_be_shown_with_their_units() {
        assert_eq!(text(Unit::Tokens, Amount(2_500_000_000_000)), "2.5 tokens");
        assert_eq!(text(Unit::Share, Amount(50_000_000)), "5 %");
        assert_eq!(text(Unit::Minutes, Amount(60)), "60 minutes");
        assert_eq!(text(Unit::Count, Amount(3)), "3");
    }
}
