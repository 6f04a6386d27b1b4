//! `schema/task-spec.schema.json` against what is parsed.

use super::*;
use crate::template::{self, Kind, Preset};
use arena_primitives::MAX_FLAG_BITS;
use serde_json::Value;
use std::collections::BTreeSet;

fn schema() -> Value {
    serde_json::from_str(include_str!("../schema/task-spec.schema.json")).unwrap()
}

/// Specs in which each property of the schema, and each of its alternatives, comes up.
fn specs() -> Vec<Value> {
    let uris = vec!["https://example.org/x".to_string()];
    let data = [
        DataJson::File(FileData {
            file: "x.bin".into(),
            uris,
            samples: 3,
        }),
        DataJson::Sealed(SealedJson {
            root: "7".repeat(64),
            max_bytes: 1,
            samples: 0,
        }),
        DataJson::Seal(SealPath {
            seal: "sealed/seal.json".into(),
            samples: 5,
        }),
    ];
    let mut all = Vec::new();
    for preset in [Preset::Default, Preset::Paper] {
        for kind in [Kind::Digits, Kind::Language] {
            let plain = template::template(preset, kind);
            all.push(plain.clone());
            all.extend(data.iter().map(|data| SpecJson {
                data: data.clone(),
                ..plain.clone()
            }));
        }
    }
    let mut rare = all[0].clone();
    rare.model.tokenizer = Some("11".repeat(32));
    rare.rewards.cap = WeightCap::Percentile(88);
    rare.model.base = Some(BaseJson {
        manifest_root: format!("0x{}", "11".repeat(32)),
        uris: vec!["hf://org/base@main".into()],
    });
    rare.profile = NumericProfile::ExactCpuF32;
    rare.model.architectures = Architecture::ALL.to_vec();
    all.push(rare);
    all.push(SpecJson {
        profile: NumericProfile::Bf16,
        likeness: None,
        registered: true,
        ..all[0].clone()
    });
    all.iter()
        .map(|spec| serde_json::to_value(spec).unwrap())
        .collect()
}

/// What a schema that names alternatives has of them; a plain one is its only one.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let named = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key));
    match named {
        Some(all) => all.as_array().unwrap().iter().collect(),
        None => vec![schema],
    }
}

/// Names in a list of the schema.
fn names(list: &Value) -> BTreeSet<&str> {
    let all = list.as_array().into_iter().flatten();
    all.map(|name| name.as_str().unwrap()).collect()
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema has the type {other}, which this test doesn't know"),
    }
}

/// Whether an alternative is of the value's kind. What is inside is compared later, so that it is
/// told by its name.
fn is_meant(schema: &Value, value: &Value) -> bool {
    if let Some(constant) = schema.get("const") {
        return constant == value;
    }
    if let Some(all) = schema.get("enum") {
        return all.as_array().unwrap().contains(value);
    }
    if !has_type(schema["type"].as_str().unwrap(), value) {
        return false;
    }
    let Some(fields) = value.as_object() else {
        return true;
    };
    names(&schema["required"])
        .iter()
        .all(|name| fields.contains_key(*name))
}

/// Visits what a spec has, from the whole down to each property and item, with the schema's only
/// alternative for it and the path to it.
fn visit<'a>(
    schema: &'a Value,
    value: &Value,
    path: &str,
    seen: &mut impl FnMut(&'a Value, &Value, &str),
) {
    let all = alternatives(schema);
    let mut fitting = all.iter().filter(|part| is_meant(part, value));
    let (Some(part), None) = (fitting.next(), fitting.next()) else {
        panic!("{path}: {value} fits none, or more than one, of {all:?}");
    };
    seen(part, value, path);
    for (name, inner) in value.as_object().into_iter().flatten() {
        let described = part["properties"].get(name);
        let described = described.unwrap_or_else(|| panic!("{path}/{name}: is not described"));
        visit(described, inner, &format!("{path}/{name}"), seen);
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        visit(&part["items"], inner, &format!("{path}/{index}"), seen);
    }
}

fn parses(spec: &Value) -> bool {
    serde_json::from_value::<SpecJson>(spec.clone()).is_ok()
}

#[test]
fn what_is_written_should_be_of_the_types_that_the_schema_names() {
    for spec in specs() {
        assert!(parses(&spec), "{spec}");
        visit(&schema(), &spec, "", &mut |_, _, _| ());
    }
}

/// Alternatives and properties below, by their address.
fn parts<'a>(schema: &'a Value, all: &mut Vec<(*const Value, &'a Value)>) {
    for part in alternatives(schema) {
        all.push((part, part));
        let inner = part["properties"].as_object().into_iter().flatten();
        for (_, described) in inner {
            parts(described, all);
        }
        if let Some(items) = part.get("items") {
            parts(items, all);
        }
    }
}

#[test]
fn all_that_the_schema_describes_should_be_written_by_some_spec() {
    let schema = schema();
    let mut written = BTreeSet::new();
    for spec in specs() {
        visit(&schema, &spec, "", &mut |part, _, _| {
            written.insert(std::ptr::from_ref(part));
        });
    }
    let mut all = Vec::new();
    parts(&schema, &mut all);
    for (address, part) in all {
        // Fractions are written as text, and read as numbers too.
        let is_read_only = part["type"] == "number";
        assert!(written.contains(&address) || is_read_only, "{part}");
    }
}

#[test]
fn fractions_should_be_read_as_numbers_where_the_schema_allows_them() {
    let schema = schema();
    for spec in specs() {
        let mut places = Vec::new();
        visit(&schema, &spec, "", &mut |part, _, path| {
            let is_fraction = part["pattern"]
                .as_str()
                .is_some_and(|p| p.contains("[0-9]{1,9}"));
            places.extend(is_fraction.then(|| path.to_string()));
        });
        let fractions = 5 + usize::from(spec["likeness"].is_object());
        assert_eq!(places.len(), fractions, "{places:?}");
        for place in places {
            let mut changed = spec.clone();
            *changed.pointer_mut(&place).unwrap() = 0.5.into();
            assert!(parses(&changed), "{place}");
        }
    }
}

#[test]
fn exactly_what_the_schema_requires_should_be_required_by_the_parser() {
    let schema = schema();
    for spec in specs() {
        let mut places = Vec::new();
        visit(&schema, &spec, "", &mut |part, value, path| {
            let required = names(&part["required"]);
            for name in value
                .as_object()
                .into_iter()
                .flat_map(|fields| fields.keys())
            {
                let is_required = required.contains(name.as_str());
                places.push((path.to_string(), name.clone(), is_required));
            }
        });
        for (place, name, is_required) in places {
            let mut changed = spec.clone();
            let fields = changed.pointer_mut(&place).unwrap().as_object_mut();
            fields.unwrap().remove(&name).unwrap();
            assert_eq!(parses(&changed), !is_required, "{place}/{name}");
        }
    }
}

#[test]
fn what_the_schema_does_not_name_should_be_refused_everywhere() {
    let schema = schema();
    for spec in specs() {
        let mut places = Vec::new();
        visit(&schema, &spec, "", &mut |part, value, path| {
            if value.is_object() {
                assert_eq!(part["additionalProperties"], false, "{path}");
                places.push(path.to_string());
            }
        });
        for place in places {
            let mut changed = spec.clone();
            let fields = changed.pointer_mut(&place).unwrap().as_object_mut();
            fields.unwrap().insert("nmae".into(), 1.into());
            assert!(!parses(&changed), "{place}");
        }
    }
}

#[test]
fn the_schema_should_name_exactly_the_families_and_profiles_that_there_are() {
    let schema = schema();
    let properties = &schema["properties"];
    let families = &properties["model"]["properties"]["architectures"];
    let all = serde_json::to_value(Architecture::ALL).unwrap();
    assert_eq!(names(&families["items"]["enum"]), names(&all));
    assert_eq!(families["maxItems"], MAX_ARCHITECTURES);
    let likeness = &properties["likeness"]["oneOf"][1]["properties"];
    assert_eq!(likeness["flag_bits"]["maximum"], MAX_FLAG_BITS);
    use NumericProfile::{Bf16, ExactCpuF32, F32};
    let all = [ExactCpuF32, F32, Bf16];
    let written = serde_json::to_value(all).unwrap();
    assert_eq!(names(&properties["profile"]["enum"]), names(&written));
    for profile in all {
        assert_eq!(
            crate::names::profile(profile),
            serde_json::to_value(profile).unwrap()
        );
    }
}
