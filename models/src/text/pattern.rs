//! Which regular expressions of a tokenizer are computed.
//!
//! A backtracking matcher takes exponential time on some patterns, and any matcher takes
//! quadratic time where it scans far and then fails, at every place of a text. So a pattern must
//! be of a kind that known tokenizers use and that can do neither on ordinary text: see
//! [`check`].

use std::{iter::Peekable, str::Chars};

/// Longest pattern, in bytes.
const MAX_LENGTH: usize = 4096;
/// Most groups within groups.
const MAX_DEPTH: usize = 4;
/// Most parts of one alternative that may be absent; the matcher tries with and without each.
const MAX_OPTIONAL: usize = 6;
/// Most parts of one alternative with no upper bound.
const MAX_UNBOUNDED: usize = 3;
/// Largest count of a bounded repetition.
const MAX_REPEAT: usize = 64;
/// Largest count where a repetition may be of several lengths.
const MAX_VARIABLE: usize = 16;

/// What a part of a pattern matches.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// A character of a class that has no space, or of white space only: runs of it are short.
    Narrow,
    /// A character of any other class: a run of it may be the whole text.
    Wide,
    /// A group.
    Group,
    /// A place, such as `$` or a look-around.
    Place,
}

/// What is known of an alternative so far.
#[derive(Default)]
struct Alternative {
    optional: usize,
    unbounded: usize,
    variable: usize,
    /// A part may run through the whole text, so that all after it must be optional.
    wide: bool,
}

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    depth: usize,
}

/// Refuses what may take long: a repeated group, an unbounded repetition within a group, a
/// repetition of a class such as `.` or `[^a]` with something mandatory after it, references
/// back, conditions, and more or larger repetitions than any known tokenizer has.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    if pattern.len() > MAX_LENGTH {
        return Err(format!("is longer than {MAX_LENGTH} bytes"));
    }
    let mut scanner = Scanner {
        rest: pattern.chars().peekable(),
        depth: 0,
    };
    scanner.alternatives()?;
    match scanner.rest.next() {
        None => Ok(()),
        Some(_) => Err("has a ) too many".into()),
    }
}

impl Scanner<'_> {
    /// Alternatives up to the end or a closing bracket; their largest number of optional parts.
    fn alternatives(&mut self) -> Result<usize, String> {
        let mut most = 0;
        let mut current = Alternative::default();
        while let Some(c) = self.rest.peek().copied() {
            match c {
                ')' => break,
                '|' => {
                    self.rest.next();
                    current = Alternative::default();
                }
                _ => {
                    let (part, inner) = self.part()?;
                    current.optional += inner;
                    self.quantified(part, &mut current)?;
                    if current.optional > MAX_OPTIONAL {
                        return Err(format!(
                            "has more than {MAX_OPTIONAL} optional parts in a row"
                        ));
                    }
                    most = most.max(current.optional);
                }
            }
        }
        Ok(most)
    }

    /// The next part, and how many optional parts are within it.
    fn part(&mut self) -> Result<(Part, usize), String> {
        match self.rest.next() {
            Some('(') => self.group(),
            Some('[') => Ok((self.class(0)?, 0)),
            Some('.') => Ok((Part::Wide, 0)),
            Some('^' | '$') => Ok((Part::Place, 0)),
            Some('\\') => Ok((self.escape()?.part(), 0)),
            Some(c @ ('*' | '+' | '?' | '{')) => Err(format!("has {c:?} after nothing")),
            Some(_) => Ok((Part::Narrow, 0)),
            None => Err("ends too early".into()),
        }
    }

    fn group(&mut self) -> Result<(Part, usize), String> {
        let mut part = Part::Group;
        if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.next() {
                Some('=' | '!') => part = Part::Place,
                Some('<') => match self.rest.peek() {
                    Some('=' | '!') => {
                        self.rest.next();
                        part = Part::Place;
                    }
                    _ => self.name()?,
                },
                Some('P') if self.rest.next_if_eq(&'<').is_some() => self.name()?,
                Some(flag) => {
                    if self.flags(flag)? {
                        return Ok((Part::Place, 0));
                    }
                }
                None => return Err("ends within a group".into()),
            }
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nests groups deeper than {MAX_DEPTH}"));
        }
        let optional = self.alternatives()?;
        self.depth -= 1;
        match self.rest.next() {
            Some(')') => Ok((part, optional)),
            _ => Err("has a group that does not end".into()),
        }
    }

    /// Skips the name of a group.
    fn name(&mut self) -> Result<(), String> {
        match self.rest.find(|c| !c.is_ascii_alphanumeric() && *c != '_') {
            Some('>') => Ok(()),
            _ => Err("has a group of another kind than (…), (?:…), (?=…) and (?!…)".into()),
        }
    }

    /// Flags of a group; true if they stand alone, as in `(?i)`.
    fn flags(&mut self, first: char) -> Result<bool, String> {
        let mut flag = Some(first);
        loop {
            match flag {
                Some(':') => return Ok(false),
                Some(')') => return Ok(true),
                Some('i' | 'm' | 's' | 'u' | '-') => flag = self.rest.next(),
                _ => {
                    return Err(
                        "has a group of another kind than (…), (?:…), (?=…) and (?!…)".into(),
                    );
                }
            }
        }
    }

    /// What follows an opening bracket, up to the closing one.
    fn class(&mut self, depth: usize) -> Result<Part, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nests classes deeper than {MAX_DEPTH}"));
        }
        let negated = self.rest.next_if_eq(&'^').is_some();
        let (mut space, mut other, mut odd, mut certain) = (false, false, false, false);
        let mut first = true;
        loop {
            let kind = match self.rest.next() {
                None => return Err("has a class that does not end".into()),
                Some(']') if !first => break,
                Some('[') => match self.class(depth + 1)? {
                    // Of a class within a class it isn't worked out what it has.
                    Part::Narrow => Kind::Other,
                    _ => Kind::Everything,
                },
                Some('\\') => self.escape()?,
                Some(c) => {
                    // Differences and intersections of classes.
                    odd |= matches!(c, '&' | '~' | '-') && self.rest.peek() == Some(&c);
                    self.range(c)?
                }
            };
            first = false;
            space |= !matches!(kind, Kind::Other | Kind::Place);
            other |= matches!(kind, Kind::Other | Kind::Everything | Kind::Range);
            certain |= matches!(kind, Kind::TheSpace | Kind::Range);
        }
        Ok(match negated {
            _ if odd => Part::Wide,
            // It has no space if what it leaves out surely has it.
            true if certain => Part::Narrow,
            true => Part::Wide,
            false if space && other => Part::Wide,
            false => Part::Narrow,
        })
    }

    /// A character of a class, or the range that it begins.
    fn range(&mut self, from: char) -> Result<Kind, String> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), None | Some(']' | '-')) {
            return Ok(Kind::of(from));
        }
        self.rest.next();
        let to = match self.rest.next() {
            // Such as \x7f: its end isn't worked out.
            Some('\\') => {
                self.escape()?;
                char::MAX
            }
            Some(to) => to,
            None => return Err("has a class that does not end".into()),
        };
        Ok(match from <= ' ' && to >= ' ' {
            true if to == char::MAX => Kind::Everything,
            true => Kind::Range,
            false => Kind::Other,
        })
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<Kind, String> {
        let c = self.rest.next().ok_or("ends with a backslash")?;
        match c {
            's' => Ok(Kind::TheSpace),
            'n' | 'r' | 't' | 'f' | 'v' => Ok(Kind::Space),
            'd' | 'w' | 'h' | 'S' => Ok(Kind::Other),
            'D' | 'W' | 'H' | 'R' | 'N' | 'O' | 'X' => Ok(Kind::Everything),
            'b' | 'B' | 'A' | 'z' | 'Z' => Ok(Kind::Place),
            'p' | 'P' => self.property(c == 'P'),
            'x' | 'u' | 'U' => self.code(),
            c if c.is_ascii_alphanumeric() => Err(format!("has \\{c}, which isn't computed")),
            c => Ok(Kind::of(c)),
        }
    }

    /// A property of characters, such as `L` or `{Lu}`.
    fn property(&mut self, mut negated: bool) -> Result<Kind, String> {
        let mut name = String::new();
        match self.rest.next() {
            Some('{') => {
                negated ^= self.rest.next_if_eq(&'^').is_some();
                loop {
                    match self.rest.next() {
                        Some('}') => break,
                        Some(c) if name.len() < 64 => name.push(c),
                        _ => return Err("has a property that does not end".into()),
                    }
                }
            }
            Some(c) => name.push(c),
            None => return Err("ends within a property".into()),
        }
        let spaced = !matches!(name.chars().next(), Some('L' | 'M' | 'N' | 'P' | 'S'));
        // Scripts and long names aren't worked out, but for those that can't have a space.
        let known = matches!(name.as_str(), "Han" | "Hiragana" | "Katakana" | "Hangul");
        Ok(match negated || (spaced && !known) {
            true => Kind::Everything,
            false => Kind::Other,
        })
    }

    /// The digits of `\x20`, `\x{20}`, `\u0020` and `\U00000020`.
    fn code(&mut self) -> Result<Kind, String> {
        if self.rest.next_if_eq(&'{').is_some() {
            return match self.rest.find(|c| !c.is_ascii_hexdigit()) {
                Some('}') => Ok(Kind::Everything),
                _ => Err("has a code that does not end".into()),
            };
        }
        while self.rest.next_if(char::is_ascii_hexdigit).is_some() {}
        Ok(Kind::Everything)
    }

    /// The quantifier after a part, if there is one.
    fn quantified(&mut self, part: Part, so_far: &mut Alternative) -> Result<(), String> {
        let (least, most) = match self.rest.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => return self.counted(part, so_far),
            _ => return so_far.add(part, 1, Some(1), self.depth),
        };
        self.rest.next();
        self.greed();
        so_far.add(part, least, most, self.depth)
    }

    /// A quantifier in braces.
    fn counted(&mut self, part: Part, so_far: &mut Alternative) -> Result<(), String> {
        self.rest.next();
        let least = self.number()?.unwrap_or(0);
        let most = match self.rest.next_if_eq(&',') {
            Some(_) => self.number()?,
            None => Some(least),
        };
        match self.rest.next() {
            Some('}') => {}
            _ => return Err("has a { that is no repetition; write \\{".into()),
        }
        self.greed();
        so_far.add(part, least, most, self.depth)
    }

    fn number(&mut self) -> Result<Option<usize>, String> {
        let mut found = None;
        while let Some(digit) = self.rest.peek().and_then(|c| c.to_digit(10)) {
            self.rest.next();
            let value = found.unwrap_or(0) * 10 + digit as usize;
            if value > MAX_REPEAT {
                return Err(format!("repeats more than {MAX_REPEAT} times"));
            }
            found = Some(value);
        }
        Ok(found)
    }

    /// Skips the sign of a lazy or a possessive quantifier.
    fn greed(&mut self) {
        self.rest.next_if(|c| matches!(c, '?' | '+'));
    }
}

impl Alternative {
    fn add(
        &mut self,
        part: Part,
        least: usize,
        most: Option<usize>,
        depth: usize,
    ) -> Result<(), String> {
        if least > 0 && self.wide {
            return Err("repeats a class that has the space, with something after it".into());
        }
        match (part, most) {
            (Part::Group | Part::Place, Some(0 | 1)) => {}
            (Part::Group | Part::Place, _) => return Err("repeats a group".into()),
            (_, None) if depth > 0 => return Err("has * or + within a group".into()),
            (_, None) => {
                self.unbounded += 1;
                self.wide |= part == Part::Wide;
            }
            (_, Some(most)) if most > least && most > 1 => {
                self.variable += 1;
                if most > MAX_VARIABLE || self.variable > 2 || depth > 0 {
                    return Err("has too many repetitions of several lengths".into());
                }
            }
            _ => {}
        }
        if self.unbounded > MAX_UNBOUNDED {
            return Err(format!("has more than {MAX_UNBOUNDED} * or + in a row"));
        }
        self.optional += usize::from(least == 0 && most.is_some());
        Ok(())
    }
}

/// What an element of a class has.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// White space only, but not surely the space.
    Space,
    /// White space only, and the space.
    TheSpace,
    /// No space.
    Other,
    /// A range that has the space.
    Range,
    /// Perhaps anything: it isn't worked out.
    Everything,
    /// A place, not a character.
    Place,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            ' ' => Self::TheSpace,
            _ if c.is_whitespace() => Self::Space,
            _ => Self::Other,
        }
    }

    fn part(self) -> Part {
        match self {
            Self::Space | Self::TheSpace | Self::Other => Part::Narrow,
            Self::Range | Self::Everything => Part::Wide,
            Self::Place => Part::Place,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokenizers::utils::SysRegex;

    /// Patterns of GPT-4, Llama 3, Qwen 2, GPT-4o, DeepSeek, BLOOM, CLIP and T5.
    const KNOWN: [&str; 14] = [
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
        r"[一-龥぀-ゟ゠-ヿ]+",
        r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓ]+",
        r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
        r"\s+$",
        r"[\r\n]",
        r" ?[^(\s|[.,!?…。，、।۔،])]+",
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
        r" {2,}",
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    ];

    #[test]
    fn patterns_of_known_tokenizers_should_pass() {
        for pattern in KNOWN {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
            SysRegex::new(pattern).unwrap();
        }
    }

    #[test]
    fn patterns_that_may_take_long_should_be_refused() {
        for pattern in [
            "(a+)+$",
            "(a|a)*b",
            "(?:a*)*",
            "(?:aa){2,}",
            "(?=.*x)a",
            "[\\s\\S]*x|[\\s\\S]",
            ".*x",
            "[^x]+(?!y)",
            "[^\\n]*\\x00",
            "[^\\x00]+x",
            "[^!-~]+x",
            "[\\w ]+x",
            "[ -z]+x",
            "[\\x20-z]+x",
            "\\P{L}+x",
            "[a&&[^b]]+x",
            "[^\\x00]{0,64}x",
            "\\D+a",
            "a?a?a?a?a?a?a?b",
            "\\w*\\w*\\w*\\w*x",
            "a{1000000}",
            "(\\w)\\1",
            "(?>a)",
            "(?(1)a|b)",
            "(?x) a",
            "\\Ga",
            "((((((a))))))",
            "(a",
            "a)",
            "[a",
            "\\",
            "*",
            "a{,",
        ] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
        assert!(check(&"a".repeat(MAX_LENGTH + 1)).is_err());
    }

    proptest! {
        #[test]
        fn check_should_end_on_any_pattern(pattern in r"[a\[\](){}|*+?^$\\.,1-9sSpPLx \-&]{0,40}") {
            let _ = check(&pattern);
        }
    }
}
