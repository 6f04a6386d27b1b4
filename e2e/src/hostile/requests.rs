//! Requests that no honest client sends, the same in each run.

use crate::trials::chance::Chance;
use serde_json::{Value, json};

/// Where the node should stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No JSON.
    Bytes,
    /// JSON that breaks off, or is nested beyond reason.
    Broken,
    /// JSON that is no request.
    Envelope,
    /// A method that isn't there.
    Method,
    /// Arguments of wrong types and forms.
    Arguments,
    /// Addresses with a wrong letter.
    Address,
    /// Arguments of the right form with numbers beyond all bounds.
    Numbers,
    /// A runtime call or a transaction of random bytes.
    Scale,
    /// Many requests in one.
    Batch,
    /// Longer than the node takes.
    Oversized,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is wrong with it.
    pub kind: Kind,
    /// What is sent.
    pub body: Vec<u8>,
}

/// Methods with what honest arguments look like: `n` a number, `a` an address, `v` a venue, `o`
/// an optional one, `h` a block.
const METHODS: [(&str, &str); 22] = [
    ("tasks", "nnoh"),
    ("taskStates", "h"),
    ("task", "nh"),
    ("round", "nnh"),
    ("result", "nnh"),
    ("leaderboard", "nnnnh"),
    ("submission", "nah"),
    ("drawn", "nnah"),
    ("position", "vah"),
    ("positions", "vonh"),
    ("stakes", "aonh"),
    ("delegations", "aonh"),
    ("unbonding", "ah"),
    ("operatorEarnings", "vah"),
    ("delegatorEarnings", "vaah"),
    ("validators", "vonh"),
    ("concentration", "vh"),
    ("duties", "ah"),
    ("challenges", "nh"),
    ("challenge", "nh"),
    ("yields", "vannh"),
    ("slashes", "ah"),
];
const ADDRESS: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const EXTREMES: [u64; 8] = [0, 1, 99, 100, 101, 1 << 31, u32::MAX as u64, u64::MAX];
/// A little more than nodes take by default.
const OVERSIZED: usize = 16 << 20;

/// Makes requests from a seed.
pub struct Requests {
    chance: Chance,
    made: u64,
}

impl Requests {
    /// Those of a seed.
    pub fn new(seed: u64) -> Self {
        Requests {
            chance: Chance::new(seed),
            made: 0,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        (self.chance.uniform() * end as f64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = self.below(most);
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    fn extreme(&mut self) -> Value {
        json!(EXTREMES[self.below(EXTREMES.len())])
    }

    /// Anything but what is asked for.
    fn junk(&mut self) -> Value {
        match self.below(10) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(1.5),
            4 => json!("x".repeat(self.below(4_096))),
            5 => json!([[[]], {}, null]),
            6 => json!({"task": {"task": {"task": 1}}}),
            7 => json!({"task": -1, "network": 1}),
            8 => json!(format!("0x{}", hex::encode(self.bytes(40)))),
            _ => self.extreme(),
        }
    }

    fn address(&mut self) -> Value {
        let mut letters = ADDRESS.as_bytes().to_vec();
        let place = self.below(letters.len());
        letters[place] = b'1' + self.below(9) as u8;
        letters.truncate(ADDRESS.len() - self.below(3));
        json!(String::from_utf8_lossy(&letters))
    }

    fn honest(&mut self, form: char) -> Value {
        match form {
            'n' => self.extreme(),
            'a' => json!(ADDRESS),
            'v' if self.below(2) == 0 => json!("network"),
            'v' => json!({"task": self.extreme()}),
            _ => Value::Null,
        }
    }

    fn method(&mut self) -> (&'static str, &'static str) {
        METHODS[self.below(METHODS.len())]
    }

    fn arena(&mut self, argument: impl Fn(&mut Self, char) -> Value) -> Value {
        let (method, forms) = self.method();
        let params: Vec<Value> = forms.chars().map(|form| argument(self, form)).collect();
        request(&format!("arena_{method}"), json!(params))
    }

    fn scale(&mut self) -> Value {
        let data = format!("0x{}", hex::encode(self.bytes(512)));
        if self.below(3) == 0 {
            return request("author_submitExtrinsic", json!([data]));
        }
        let (method, _) = self.method();
        let snake: String = method
            .chars()
            .flat_map(|letter| match letter.is_uppercase() {
                true => vec!['_', letter.to_ascii_lowercase()],
                false => vec![letter],
            })
            .collect();
        request("state_call", json!([format!("ArenaApi_{snake}"), data]))
    }

    fn broken(&mut self) -> Vec<u8> {
        if self.below(4) == 0 {
            let depth = 1 + self.below(100_000);
            return "[".repeat(depth).into_bytes();
        }
        let whole = self.arena(Self::honest).to_string().into_bytes();
        let end = 1 + self.below(whole.len() - 1);
        whole[..end].to_vec()
    }

    fn envelope(&mut self) -> Value {
        let (junk, other) = (self.junk(), self.junk());
        match self.below(4) {
            0 => junk,
            1 => json!({"jsonrpc": junk, "id": 1, "method": "arena_time", "params": []}),
            2 => json!({"jsonrpc": "2.0", "id": other, "method": junk}),
            _ => json!({"jsonrpc": "2.0", "id": 1, "method": "arena_time", "params": junk}),
        }
    }

    fn batch(&mut self) -> Value {
        let length = 2 + self.below(99);
        (0..length).map(|_| self.arena(Self::honest)).collect()
    }

    fn of_kind(&mut self, kind: Kind) -> Vec<u8> {
        let value = match kind {
            Kind::Bytes => return self.bytes(2_048),
            Kind::Broken => return self.broken(),
            Kind::Oversized => return vec![b' '; OVERSIZED],
            Kind::Envelope => self.envelope(),
            Kind::Method => {
                let name = hex::encode(self.bytes(64));
                request(&format!("arena_{name}"), json!([]))
            }
            Kind::Arguments => self.arena(|this, _| this.junk()),
            Kind::Address => self.arena(|this, form| match form {
                'a' => this.address(),
                form => this.honest(form),
            }),
            Kind::Numbers => self.arena(Self::honest),
            Kind::Scale => self.scale(),
            Kind::Batch => self.batch(),
        };
        value.to_string().into_bytes()
    }
}

impl Iterator for Requests {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        self.made += 1;
        // Few of those that cost the sender most.
        let kind = match self.made {
            made if made % 4_000 == 0 => Kind::Oversized,
            made if made % 200 == 0 => Kind::Batch,
            _ => [
                Kind::Bytes,
                Kind::Broken,
                Kind::Envelope,
                Kind::Method,
                Kind::Arguments,
                Kind::Arguments,
                Kind::Address,
                Kind::Numbers,
                Kind::Numbers,
                Kind::Scale,
            ][self.below(10)],
        };
        let body = self.of_kind(kind);
        Some(Request { kind, body })
    }
}

fn request(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_should_be_the_same_in_each_run_and_of_all_kinds() {
        let some = || Requests::new(1).take(5_000);
        assert!(some().zip(some()).all(|(a, b)| a.body == b.body));
        let kinds: std::collections::BTreeSet<Kind> = some().map(|one| one.kind).collect();
        assert_eq!(kinds.len(), 10);
    }
}
