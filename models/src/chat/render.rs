//! Templates, run with bounded work.

use super::{json::to_json, refuse};
use crate::{ModelError, data::Turn};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, Value, context, filters,
    syntax::SyntaxConfig, value::Kwargs,
};
use minijinja_contrib::pycompat::unknown_method_callback;
use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

const NAME: &str = "chat_template";
/// Instructions of one rendering, beside those for each turn, and of all.
const FUEL: u64 = 100_000;
const FUEL_PER_TURN: u64 = 4_000;
const MAX_FUEL: u64 = 400_000;
/// Bytes of one rendering beside those for each byte of the contents.
const OUTPUT: usize = 1 << 20;
const OUTPUT_PER_BYTE: usize = 16;
/// Most templates and macros within each other.
const DEPTH: usize = 64;
/// Most parts that a filter cuts a list into.
const PARTS: usize = 10_000;

/// A template that is ready to run.
pub(super) struct Renderer {
    environment: Environment<'static>,
    special_tokens: BTreeMap<String, String>,
}

/// Takes no more than it has room for.
struct Room {
    out: Vec<u8>,
    left: usize,
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(bytes.len()) {
            Some(left) => self.left = left,
            None => return Err(io::ErrorKind::StorageFull.into()),
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Renderer {
    /// A template with the settings, functions and filters that `transformers` gives it.
    pub(super) fn new(
        template: &str,
        special_tokens: BTreeMap<String, String>,
    ) -> Result<Self, ModelError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(refuse)?);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_recursion_limit(DEPTH);
        environment.set_debug(false);
        environment.set_unknown_method_callback(method);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime);
        environment.add_filter("tojson", tojson);
        environment.add_filter("slice", slice);
        environment.add_filter("batch", batch);
        // They write as many spaces as they are asked for.
        for filter in ["indent", "format", "pprint"] {
            environment.remove_filter(filter);
        }
        let source = prepared(template);
        let added = catch_unwind(AssertUnwindSafe(|| {
            environment.add_template_owned(NAME, source)
        }));
        match added {
            Ok(Ok(())) => Ok(Self {
                environment,
                special_tokens,
            }),
            Ok(Err(error)) => Err(refuse(format!("the chat template is malformed: {error}"))),
            Err(_) => Err(refuse("the chat template makes its parser panic")),
        }
    }

    /// The conversation in words, or nothing if the template doesn't take it.
    pub(super) fn render(&self, turns: &[Turn]) -> Result<Option<String>, ModelError> {
        let contents: usize = turns.iter().map(|t| t.content.len()).sum();
        let mut room = Room {
            out: Vec::new(),
            left: contents
                .saturating_mul(OUTPUT_PER_BYTE)
                .saturating_add(OUTPUT),
        };
        let fuel = FUEL_PER_TURN
            .saturating_mul(turns.len() as u64)
            .saturating_add(FUEL);
        // Fuel belongs to an environment; to clone one is cheap.
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(fuel.min(MAX_FUEL)));
        let done = catch_unwind(AssertUnwindSafe(|| {
            let template = environment.get_template(NAME)?;
            template
                .render_captured_to(self.context(turns), &mut room)
                .map(|_| ())
        }));
        match done {
            Ok(Ok(())) => Ok(String::from_utf8(room.out).ok()),
            Ok(Err(error)) => match error.kind() {
                ErrorKind::OutOfFuel => Err(refuse("the chat template runs too long")),
                ErrorKind::WriteFailure => Err(refuse("the chat template writes too much")),
                ErrorKind::TemplateNotFound | ErrorKind::BadInclude => Err(refuse(
                    "the chat template includes another; one alone is read",
                )),
                _ => Ok(None),
            },
            Err(_) => Err(refuse("the chat template makes its engine panic")),
        }
    }

    fn context(&self, turns: &[Turn]) -> Value {
        let message = |turn: &Turn| {
            let (role, content) = (turn.role.as_str(), turn.content.as_str());
            context! { role, content }
        };
        let mut context: BTreeMap<&str, Value> = self
            .special_tokens
            .iter()
            .map(|(name, token)| (name.as_str(), Value::from(token.as_str())))
            .collect();
        let messages: Vec<Value> = turns.iter().map(message).collect();
        context.insert("messages", messages.into());
        context.insert("add_generation_prompt", false.into());
        context.insert("tools", ().into());
        context.insert("documents", ().into());
        Value::from(context)
    }
}

/// Python's methods of strings, lists and maps, but for `format`: it writes as many spaces as it
/// is asked for.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    match name {
        "format" => Err(ErrorKind::UnknownMethod.into()),
        _ => unknown_method_callback(state, value, name, args),
    }
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn tojson(value: Value, options: Kwargs) -> Result<Value, Error> {
    to_json(&value, &options)
}

/// The engine's filter makes as many lists as it is asked for, which costs no fuel.
fn slice(
    state: &State,
    value: Value,
    count: usize,
    fill_with: Option<Value>,
) -> Result<Value, Error> {
    check_parts(count)?;
    filters::slice(state, value, count, fill_with)
}

/// The engine's filter fills the last list up with as many values as it is asked for.
fn batch(
    state: &State,
    value: Value,
    count: usize,
    fill_with: Option<Value>,
) -> Result<Value, Error> {
    check_parts(count)?;
    filters::batch(state, value, count, fill_with)
}

fn check_parts(count: usize) -> Result<(), Error> {
    if count <= PARTS {
        return Ok(());
    }
    let detail = format!("lists are cut into {PARTS} parts at most");
    Err(Error::new(ErrorKind::InvalidOperation, detail))
}

/// The day that every evaluation takes place on, so that it comes out the same: the one that the
/// templates of Llama 3 fall back to, 26 July 2024.
fn strftime(format: &str) -> String {
    let mut out = String::new();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        out.push_str(match rest.next() {
            Some('Y') => "2024",
            Some('y') => "24",
            Some('m') => "07",
            Some('d' | 'e') => "26",
            Some('B') => "July",
            Some('b') => "Jul",
            Some('A') => "Friday",
            Some('a') => "Fri",
            Some('j') => "208",
            Some('F') => "2024-07-26",
            Some('H' | 'M' | 'S') => "00",
            Some('%') => "%",
            _ => "",
        });
    }
    out
}

/// A template as the engine reads it.
///
/// `generation` blocks, which tell `transformers` what the assistant writes, become blocks that
/// are always taken. In an expression, a backslash at the end of a line is left out with the
/// line's end, as in Python's strings.
fn prepared(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let closing = match tag.get(..2) {
            Some("{%") => "%}",
            Some("{{") => "}}",
            _ => {
                out.push('{');
                rest = &tag[1..];
                continue;
            }
        };
        let Some(end) = tag[2..].find(closing) else {
            rest = tag;
            break;
        };
        let (inner, after) = tag[2..].split_at(end);
        out.push_str(&tag[..2]);
        let name = inner.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        match name {
            "generation" => out.push_str(&inner.replace(name, "if true")),
            "endgeneration" => out.push_str(&inner.replace(name, "endif")),
            _ => out.push_str(&joined(inner)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Without backslashes before the end of a line.
fn joined(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression.chars();
    while let Some(c) = rest.next() {
        match (c, (c == '\\').then(|| rest.next()).flatten()) {
            ('\\', Some('\n')) => {}
            (c, after) => {
                out.push(c);
                out.extend(after);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepared_should_take_generation_blocks_and_join_lines() {
        for (template, expected) in [
            (
                "a{%- generation -%}b{% endgeneration %}c",
                "a{%- if true -%}b{% endif %}c",
            ),
            ("{% if generation %}{% x", "{% if generation %}{% x"),
            ("{{ 'a\\\nb\\\\\nc' }}\\\nd", "{{ 'ab\\\\\nc' }}\\\nd"),
            ("{a{{ {'b': {}} }}{", "{a{{ {'b': {}} }}{"),
        ] {
            assert_eq!(prepared(template), expected);
        }
    }

    #[test]
    fn strftime_should_tell_one_day_only() {
        assert_eq!(strftime("%d %b %Y, %A %%%q%"), "26 Jul 2024, Friday %");
    }
}
