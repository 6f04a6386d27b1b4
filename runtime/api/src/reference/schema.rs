//! JSON Schemas of types, from what they say of themselves and from how serde names them here:
//! fields in camel case, variants in snake case but for a few.

use scale_info::{
    Field, MetaType, Path, TypeDef, TypeDefComposite, TypeDefPrimitive, TypeDefVariant,
    form::MetaForm,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Enums whose variants are written as in Rust.
const AS_WRITTEN: [&str; 5] = [
    "TaskPhase",
    "ModelStatus",
    "Unpaid",
    "MinerFault",
    "InfraFault",
];

/// Types with a text form of their own: name, pattern, description.
const TEXTS: [(&str, &str, &str); 3] = [
    (
        "AccountId32",
        "^[1-9A-HJ-NP-Za-km-z]+$",
        "SS58 address of an account.",
    ),
    ("H256", "^0x[0-9a-f]{64}$", "Hash of 32 bytes."),
    (
        "Amount",
        "^[0-9]+$",
        "Amount in base units, of which 10^12 make a token.",
    ),
];

/// Schemas of named types, made as they are met.
#[derive(Default)]
pub(super) struct Schemas {
    named: Map<String, Value>,
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut all, word| {
        let (head, tail) = word.split_at(1.min(word.len()));
        all.push_str(&head.to_uppercase());
        all.push_str(tail);
        all
    })
}

fn snake(name: &str) -> String {
    let mut all = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !all.is_empty() {
            all.push('_');
        }
        all.extend(letter.to_lowercase());
    }
    all
}

fn described(mut schema: Value, docs: &[&str]) -> Value {
    let text = docs.join(" ");
    if text.is_empty() {
        return schema;
    }
    if schema.get("$ref").is_some() {
        return json!({"allOf": [schema], "description": text.trim()});
    }
    schema["description"] = json!(text.trim());
    schema
}

fn object(properties: Map<String, Value>) -> Value {
    let required: Vec<&String> = properties.keys().collect();
    let required = json!(required);
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

impl Schemas {
    /// All named ones.
    pub(super) fn all(self) -> Value {
        Value::Object(self.named)
    }

    /// A type's schema; a reference where it has a name.
    pub(super) fn of(&mut self, ty: &MetaType) -> Value {
        let info = ty.type_info();
        let name = info.path.ident().unwrap_or_default();
        if name == "Option" {
            let inner = info.type_params.first().and_then(|param| param.ty);
            let inner = inner.map(|inner| self.of(&inner));
            return json!({"anyOf": [inner, {"type": "null"}]});
        }
        match &info.type_def {
            TypeDef::Sequence(list) => {
                json!({"type": "array", "items": self.of(&list.type_param)})
            }
            TypeDef::Array(list) => {
                json!({"type": "array", "items": self.of(&list.type_param), "minItems": list.len, "maxItems": list.len})
            }
            TypeDef::Tuple(parts) => {
                let items: Vec<Value> = parts.fields.iter().map(|part| self.of(part)).collect();
                json!({"type": "array", "prefixItems": items, "minItems": parts.fields.len(), "maxItems": parts.fields.len()})
            }
            TypeDef::Primitive(primitive) => of_primitive(primitive),
            _ => self.of_named(name, &info.path, &info.type_def, &info.docs),
        }
    }

    fn of_named(
        &mut self,
        name: &str,
        path: &Path<MetaForm>,
        def: &TypeDef<MetaForm>,
        docs: &[&'static str],
    ) -> Value {
        if let TypeDef::Composite(list) = def
            && name == "BoundedVec"
        {
            // Written as the list in it.
            let inner = list.fields.first().map(|field| field.ty);
            return inner.map_or(Value::Null, |inner| self.of(&inner));
        }
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        if self.named.contains_key(name) {
            return reference;
        }
        // Before its fields, which may name it.
        self.named.insert(name.to_owned(), Value::Null);
        let text = TEXTS.iter().find(|(text, ..)| *text == name);
        let schema = match (text, def) {
            (Some((_, pattern, about)), _) => {
                json!({"type": "string", "pattern": pattern, "description": about})
            }
            (None, TypeDef::Composite(fields)) => described(self.of_struct(fields), docs),
            (None, TypeDef::Variant(variants)) => described(self.of_enum(name, variants), docs),
            _ => panic!("{path:?} has no JSON form here; add it to this file"),
        };
        self.named.insert(name.to_owned(), schema);
        reference
    }

    fn field(&mut self, field: &Field<MetaForm>) -> Value {
        described(self.of(&field.ty), &field.docs)
    }

    fn of_struct(&mut self, fields: &TypeDefComposite<MetaForm>) -> Value {
        let fields = fields.fields.iter();
        let properties = fields.map(|field| {
            let name = field
                .name
                .expect("fields of what is written as JSON have names");
            (camel(name), self.field(field))
        });
        object(properties.collect())
    }

    fn of_enum(&mut self, name: &str, variants: &TypeDefVariant<MetaForm>) -> Value {
        let written = |variant: &str| {
            if AS_WRITTEN.contains(&name) {
                variant.to_owned()
            } else {
                snake(variant)
            }
        };
        if variants
            .variants
            .iter()
            .all(|variant| variant.fields.is_empty())
        {
            let names = variants
                .variants
                .iter()
                .map(|variant| written(variant.name));
            return json!({"type": "string", "enum": names.collect::<Vec<_>>()});
        }
        let each = variants
            .variants
            .iter()
            .map(|variant| match variant.fields.first() {
                None => json!({"const": written(variant.name)}),
                Some(field) => {
                    let inner = self.of(&field.ty);
                    object([(written(variant.name), inner)].into_iter().collect())
                }
            });
        json!({"oneOf": each.collect::<Vec<_>>()})
    }

    /// What of `value` the schema doesn't allow, by place.
    pub(super) fn misfits(&self, schema: &Value, value: &Value, place: String) -> Vec<String> {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().unwrap_or_default();
            return self.misfits(&self.named[name], value, place);
        }
        for choice in ["anyOf", "oneOf", "allOf"] {
            let Some(choices) = schema[choice].as_array() else {
                continue;
            };
            let fits = |one: &Value| self.misfits(one, value, place.clone()).is_empty();
            return if choices.iter().any(fits) {
                Vec::new()
            } else {
                vec![format!("{place}: {value} is none of {choice}")]
            };
        }
        self.misfits_of_kind(schema, value, place)
    }

    fn misfits_of_kind(&self, schema: &Value, value: &Value, place: String) -> Vec<String> {
        let wrong = |what: &str| vec![format!("{place}: {value} is {what}")];
        if let Some(names) = schema["enum"].as_array() {
            return if names.contains(value) {
                Vec::new()
            } else {
                wrong("not named")
            };
        }
        if let Some(only) = schema.get("const") {
            return if only == value {
                Vec::new()
            } else {
                wrong("another constant")
            };
        }
        match (schema["type"].as_str().unwrap_or_default(), value) {
            ("null", Value::Null) | ("boolean", Value::Bool(_)) | ("string", Value::String(_)) => {
                Vec::new()
            }
            ("integer", Value::Number(number)) if number.is_u64() => Vec::new(),
            ("array", Value::Array(items)) => {
                let of =
                    |index: usize| schema["prefixItems"].get(index).unwrap_or(&schema["items"]);
                let items = items.iter().enumerate();
                items
                    .flat_map(|(at, item)| self.misfits(of(at), item, format!("{place}[{at}]")))
                    .collect()
            }
            ("object", Value::Object(fields)) => {
                let known = &schema["properties"];
                let names = |object: &Map<String, Value>| {
                    let names = object.keys().cloned();
                    names.collect::<BTreeSet<String>>()
                };
                if known.as_object().map(names) != Some(names(fields)) {
                    return wrong("an object of other fields");
                }
                let fields = fields.iter();
                fields
                    .flat_map(|(name, field)| {
                        self.misfits(&known[name], field, format!("{place}.{name}"))
                    })
                    .collect()
            }
            (kind, _) => wrong(&format!("no {kind}")),
        }
    }
}

fn of_primitive(primitive: &TypeDefPrimitive) -> Value {
    match primitive {
        TypeDefPrimitive::Bool => json!({"type": "boolean"}),
        TypeDefPrimitive::Str => json!({"type": "string"}),
        TypeDefPrimitive::U8 => json!({"type": "integer", "minimum": 0, "maximum": u8::MAX}),
        TypeDefPrimitive::U16 => json!({"type": "integer", "minimum": 0, "maximum": u16::MAX}),
        TypeDefPrimitive::U32 => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
        TypeDefPrimitive::U64 => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
        other => panic!("{other:?} has no JSON form here: amounts are of type `Amount`"),
    }
}
