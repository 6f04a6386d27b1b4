//! Events as they are in the blocks, for programs.

use crate::{
    blocks,
    chain::{Chain, number},
    out::{self, Out},
};
use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value, json};
use subxt::ext::scale_value::{Composite, Primitive, Value as Scale, ValueDef};

/// Events of some blocks.
#[derive(Serialize)]
struct Events {
    from: u32,
    /// The last block that was read; below `from` where there is none yet.
    to: u32,
    events: Vec<Event>,
}

/// One event.
#[derive(Serialize)]
struct Event {
    block: u32,
    pallet: String,
    event: String,
    fields: Value,
}

/// Shows the events of the best chain from block `from` on, of one pallet or of all, up to block
/// `to` or the best one.
pub(crate) async fn show(
    out: Out,
    chain: &Chain,
    pallet: Option<&str>,
    from: u32,
    to: Option<u32>,
) -> Result<()> {
    let best = number(&chain.best().await?);
    let to = to.map_or(best, |to| to.min(best));
    let events = if from > to {
        Vec::new()
    } else {
        blocks::events(chain, from..=to, |event| of_pallet(event, pallet)).await?
    };
    let events = events
        .into_iter()
        .map(|(block, (pallet, event, fields))| Event {
            block,
            pallet,
            event,
            fields,
        });
    let view = Events {
        from,
        to,
        events: events.collect(),
    };
    out.show(&view, human)
}

type Found = (String, String, Value);

fn of_pallet(event: &blocks::Event<'_>, pallet: Option<&str>) -> Result<Option<Found>> {
    let name = event.pallet_name();
    if pallet.is_some_and(|pallet| !pallet.eq_ignore_ascii_case(name)) {
        return Ok(None);
    }
    let fields: Composite<()> = event.decode_fields_unchecked_as()?;
    Ok(Some((
        name.into(),
        event.event_name().into(),
        of_composite(&fields),
    )))
}

/// Numbers are decimal strings, since amounts don't fit JSON's; 32 bytes are hex digits; what
/// holds one thing only is that thing.
fn of_value(value: &Scale<()>) -> Value {
    match &value.value {
        ValueDef::Composite(composite) => of_composite(composite),
        ValueDef::Variant(variant) if variant.values.is_empty() => json!(variant.name),
        ValueDef::Variant(variant) => {
            json!({ variant.name.clone(): of_composite(&variant.values) })
        }
        ValueDef::BitSequence(bits) => bits.iter().map(Value::from).collect(),
        ValueDef::Primitive(primitive) => of_primitive(primitive),
    }
}

fn of_composite(composite: &Composite<()>) -> Value {
    match composite {
        Composite::Named(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), of_value(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Composite::Unnamed(values) => match (bytes32(values), values.as_slice()) {
            (Some(bytes), _) => json!(format!("0x{}", hex::encode(bytes))),
            (None, [one]) => of_value(one),
            (None, all) => all.iter().map(of_value).collect(),
        },
    }
}

/// 32 numbers that are bytes.
fn bytes32(values: &[Scale<()>]) -> Option<[u8; 32]> {
    let bytes: Option<Vec<u8>> = values
        .iter()
        .map(|value| match &value.value {
            ValueDef::Primitive(Primitive::U128(byte)) => u8::try_from(*byte).ok(),
            _ => None,
        })
        .collect();
    bytes?.try_into().ok()
}

fn of_primitive(primitive: &Primitive) -> Value {
    match primitive {
        Primitive::Bool(value) => json!(value),
        Primitive::Char(value) => json!(value.to_string()),
        Primitive::String(value) => json!(value),
        Primitive::U128(value) => json!(value.to_string()),
        Primitive::I128(value) => json!(value.to_string()),
        Primitive::U256(bytes) | Primitive::I256(bytes) => {
            json!(format!("0x{}", hex::encode(bytes)))
        }
    }
}

fn human(view: &Events) -> String {
    let mut table = out::table(["block", "event", "fields"]);
    for event in &view.events {
        table.add_row([
            event.block.to_string(),
            format!("{}::{}", event.pallet, event.event),
            event.fields.to_string(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_should_be_read_by_programs() {
        let account = Scale::unnamed_composite([Scale::from_bytes([7u8; 32])]);
        let fields = Composite::named([
            ("case", Scale::u128(3)),
            ("appeal", Scale::bool(true)),
            (
                "jurors",
                Scale::unnamed_composite([account.clone(), account.clone()]),
            ),
            (
                "claim",
                Scale::named_variant("Learning", [("trainer", account)]),
            ),
            ("verdict", Scale::unnamed_variant("Convicted", [])),
        ]);
        let seven = format!("0x{}", "07".repeat(32));
        let expected = json!({
            "case": "3", "appeal": true, "jurors": [seven, seven],
            "claim": {"Learning": {"trainer": seven}}, "verdict": "Convicted",
        });
        assert_eq!(of_composite(&fields), expected);
    }
}
