//! JSON as Python writes it, which is what chat templates are written for.

use minijinja::{Error, ErrorKind, Value, filters::tojson, value::Kwargs};

/// Largest indentation.
const MAX_INDENT: usize = 16;

/// The filter `tojson` of `transformers`: that of the engine, but `<`, `>`, `&` and `'` as they
/// are.
pub(super) fn to_json(value: &Value, options: &Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    if indent.is_some_and(|indent| indent > MAX_INDENT) {
        let detail = format!("tojson indents by {MAX_INDENT} at most");
        return Err(Error::new(ErrorKind::InvalidOperation, detail));
    }
    let none: [(&str, Value); 0] = [];
    let json = tojson(value, indent.map(Value::from), none.into_iter().collect())?;
    Ok(Value::from(plain(json.as_str().unwrap_or_default())))
}

/// JSON without the escapes that it has for the sake of HTML.
fn plain(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let known = [
            ("\\u003c", '<'),
            ("\\u003e", '>'),
            ("\\u0026", '&'),
            ("\\u0027", '\''),
        ];
        match known.iter().find(|(code, _)| escape.starts_with(code)) {
            Some((code, c)) => {
                out.push(*c);
                rest = &escape[code.len()..];
            }
            None => {
                // A backslash, and an ASCII character after it.
                let (other, after) = escape.split_at_checked(2).unwrap_or((escape, ""));
                out.push_str(other);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    #[test]
    fn to_json_should_write_what_python_writes() {
        let items = vec![Value::from(1), Value::from("<é'&\\u003c\n"), ().into()];
        let value = context! { z => items, b => true };
        let json = |indent: Option<usize>| {
            let options: Kwargs = indent
                .map(|i| ("indent", Value::from(i)))
                .into_iter()
                .collect();
            to_json(&value, &options).unwrap().to_string()
        };
        assert_eq!(
            json(None),
            r#"{"z": [1, "<é'&\\u003c\n", null], "b": true}"#
        );
        let lines =
            "{\n  \"z\": [\n    1,\n    \"<é'&\\\\u003c\\n\",\n    null\n  ],\n  \"b\": true\n}";
        assert_eq!(json(Some(2)), lines);
        let large: Kwargs = [("indent", Value::from(1u64 << 40))].into_iter().collect();
        assert!(to_json(&value, &large).is_err());
    }
}
