//! The JSON-RPC namespace `arena` in one table, and the OpenRPC document and text made of it.

mod methods;
mod problems;
mod schema;
mod text;

pub use methods::methods;
pub use problems::Problem;

use scale_info::{MetaType, TypeInfo};
use schema::Schemas;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The namespace.
pub const NAMESPACE: &str = "arena";

/// An argument.
#[derive(Clone)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    /// It can't be left out.
    pub required: bool,
    ty: MetaType,
}

/// A subscription's other two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// What its messages are called.
    pub notification: &'static str,
    /// What ends it.
    pub unsubscribe: &'static str,
}

/// A method, without the namespace before its name.
#[derive(Clone)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// What it answers.
    pub about: &'static str,
    /// What it takes, in order.
    pub params: Vec<Param>,
    /// Refusals of its own.
    pub problems: Vec<Problem>,
    /// Set where it is a subscription: then the result is that of a message.
    pub subscription: Option<Subscription>,
    result: MetaType,
}

/// A request and what was answered.
#[derive(Clone, Debug)]
pub struct Example {
    /// Arguments in order; those left out are not there.
    pub params: Vec<Value>,
    /// The answer.
    pub result: Value,
}

impl Method {
    fn new<T: TypeInfo + 'static>(name: &'static str, about: &'static str) -> Self {
        Method {
            name,
            about,
            params: Vec::new(),
            problems: Vec::new(),
            subscription: None,
            result: MetaType::new::<T>(),
        }
    }

    fn param<T: TypeInfo + 'static>(
        mut self,
        name: &'static str,
        about: &'static str,
        required: bool,
    ) -> Self {
        self.params.push(Param {
            name,
            about,
            required,
            ty: MetaType::new::<T>(),
        });
        self
    }

    fn with<T: TypeInfo + 'static>(self, name: &'static str, about: &'static str) -> Self {
        self.param::<T>(name, about, true)
    }

    fn maybe<T: TypeInfo + 'static>(self, name: &'static str, about: &'static str) -> Self {
        self.param::<T>(name, about, false)
    }

    fn refuses(mut self, problems: &[Problem]) -> Self {
        self.problems.extend(problems);
        self
    }

    /// The name with the namespace before it.
    pub fn full_name(&self) -> String {
        format!("{NAMESPACE}_{}", self.name)
    }

    /// All names that it registers.
    pub fn names(&self) -> Vec<String> {
        let other = self.subscription.map(|other| other.unsubscribe);
        let names = [Some(self.name), other].into_iter().flatten();
        names.map(|name| format!("{NAMESPACE}_{name}")).collect()
    }
}

fn document_of(method: &Method, example: Option<&Example>, schemas: &mut Schemas) -> Value {
    let params: Vec<Value> = method
        .params
        .iter()
        .map(|param| {
            json!({
                "name": param.name,
                "description": param.about,
                "required": param.required,
                "schema": schemas.of(&param.ty),
            })
        })
        .collect();
    let errors: Vec<Value> = method.problems.iter().map(Problem::document).collect();
    let mut document = json!({
        "name": method.full_name(),
        "summary": method.about,
        "paramStructure": "either",
        "params": params,
        "result": {"name": "result", "schema": schemas.of(&method.result)},
        "errors": errors,
    });
    if let Some(other) = method.subscription {
        document["x-subscription"] = json!({
            "notification": format!("{NAMESPACE}_{}", other.notification),
            "unsubscribe": format!("{NAMESPACE}_{}", other.unsubscribe),
        });
    }
    if let Some(example) = example {
        let names = method.params.iter().map(|param| param.name);
        let values = names.zip(&example.params);
        let params: Vec<Value> = values
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        document["examples"] = json!([{
            "name": method.name,
            "params": params,
            "result": {"name": "result", "value": example.result},
        }]);
    }
    document
}

/// The OpenRPC document, with examples by method.
pub fn document(examples: &BTreeMap<&str, Example>) -> Value {
    let mut schemas = Schemas::default();
    let methods: Vec<Value> = methods()
        .iter()
        .map(|method| document_of(method, examples.get(method.name), &mut schemas))
        .collect();
    sorted(json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "AIArena",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a node answers of tasks, stake, rewards and cases.",
        },
        "methods": methods,
        "components": {"schemas": schemas.all(), "errors": problems::documents()},
    }))
}

/// The same with the fields of objects by name, however the map keeps them.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let by_name: BTreeMap<String, Value> = fields.into_iter().collect();
            let fields = by_name.into_iter();
            Value::Object(fields.map(|(name, field)| (name, sorted(field))).collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// The sections of methods and errors of `docs/rpc.md`.
pub fn markdown(examples: &BTreeMap<&str, Example>) -> String {
    text::sections(&methods(), examples)
}

/// What of an answer the method's schema doesn't allow; empty where it fits.
pub fn misfits(method: &Method, answer: &Value) -> Vec<String> {
    let mut schemas = Schemas::default();
    let schema = schemas.of(&method.result);
    schemas.misfits(&schema, answer, "result".to_owned())
}
