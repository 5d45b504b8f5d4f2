//! What the rows of a list must match: the language behind `/`.
//!
//! ```text
//! linux iso            rows with both words in them, in any order and case
//! "two words"          with exactly this in them
//! !iso                 without this word
//! size>1G rate<1M      figures: size, done (in %), down, up, rate, eta, peers, ratio, bad, copies
//! state:sharing        a word begins so: state, kind
//! name~x client~x      a text has this in it: name, client, address
//! ```
//! A row that has no such figure or text does not match; every row matches an empty filter.

use std::{borrow::Cow, cmp::Ordering};

use crate::units::{Bytes, Span};

/// Longest filter: more than anybody types. What a terminal pastes may be anything.
const LEN_MAX: usize = 1000;

/// Something that rows are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    Name,
    State,
    Kind,
    Client,
    Address,
    Size,
    Done,
    Down,
    Up,
    Rate,
    Eta,
    Peers,
    Ratio,
    Bad,
    Copies,
}

/// How a fact's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Text,
    Bytes,
    Seconds,
    Number,
}

const FACTS: &[(&str, Fact, Unit)] = &[
    ("name", Fact::Name, Unit::Text),
    ("state", Fact::State, Unit::Text),
    ("kind", Fact::Kind, Unit::Text),
    ("client", Fact::Client, Unit::Text),
    ("address", Fact::Address, Unit::Text),
    ("size", Fact::Size, Unit::Bytes),
    ("done", Fact::Done, Unit::Number),
    ("down", Fact::Down, Unit::Bytes),
    ("up", Fact::Up, Unit::Bytes),
    ("rate", Fact::Rate, Unit::Bytes),
    ("eta", Fact::Eta, Unit::Seconds),
    ("peers", Fact::Peers, Unit::Number),
    ("ratio", Fact::Ratio, Unit::Number),
    ("bad", Fact::Bad, Unit::Number),
    ("copies", Fact::Copies, Unit::Number),
];

/// The value of a fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Bytes, bytes a second, seconds, or a plain number.
    Number(f64),
    /// Words.
    Text(Cow<'a, str>),
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        // What a person types is exact enough in an f64.
        Self::Number(number as f64)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

/// A row that can be filtered.
pub trait Facts {
    /// One fact of it, if it has that.
    fn fact(&self, fact: Fact) -> Option<Value<'_>>;

    /// What plain words are looked for in.
    fn text(&self) -> Cow<'_, str> {
        match self.fact(Fact::Name) {
            Some(Value::Text(text)) => text,
            _ => Cow::Borrowed(""),
        }
    }
}

/// What the rows of a list must match.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    text: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    not: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// The row has this, in lower case.
    Has(String),
    /// A fact of it has this, in lower case.
    Contains(Fact, String),
    /// A fact of it begins with this, in lower case.
    Begins(Fact, String),
    /// A figure of it compares so.
    Compares(Fact, &'static [Ordering], f64),
}

impl Filter {
    /// From what the user typed.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > LEN_MAX {
            return Err("too long for a filter".into());
        }
        let terms =
            words(text).into_iter().map(|word| Term::parse(&word)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), terms })
    }

    /// What the user typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether every row matches.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a row passes.
    pub fn passes(&self, row: &impl Facts) -> bool {
        self.terms.iter().all(|term| term.test.holds(row) != term.not)
    }
}

/// Parts a line at spaces, but for those between quotes. Quotes keep their place in the word, so that
/// what stands in them is taken as it is.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.push(c);
            }
            c if c.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.chars().all(|c| c == '"'));
    words
}

impl Term {
    fn parse(word: &str) -> Result<Self, String> {
        let (not, word) = match word.strip_prefix('!') {
            Some(rest) if !rest.is_empty() => (true, rest),
            _ => (false, word),
        };
        let test = match comparison(word)? {
            Some(test) => test,
            None => Test::Has(lower(word)),
        };
        Ok(Self { not, test })
    }
}

/// The word without quotes, in lower case.
fn lower(word: &str) -> String {
    word.replace('"', "").to_lowercase()
}

/// `size>1G` and the like; `None` if the word is no such thing.
fn comparison(word: &str) -> Result<Option<Test>, String> {
    let end = word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len());
    let (name, rest) = word.split_at(end);
    let operators: [(&str, &[Ordering]); 7] = [
        (">=", &[Ordering::Greater, Ordering::Equal]),
        ("<=", &[Ordering::Less, Ordering::Equal]),
        (">", &[Ordering::Greater]),
        ("<", &[Ordering::Less]),
        ("=", &[Ordering::Equal]),
        (":", &[Ordering::Equal]),
        ("~", &[Ordering::Equal]),
    ];
    let found = operators.iter().find_map(|(operator, orders)| {
        rest.strip_prefix(operator).map(|value| (*operator, *orders, value))
    });
    let Some((operator, orders, value)) = found else { return Ok(None) };
    let known = FACTS.iter().find(|(fact, ..)| *fact == name.to_ascii_lowercase());
    let Some(&(name, fact, unit)) = known else {
        // `http://` and `a=b` are names as well.
        return if orders == [Ordering::Equal] { Ok(None) } else { Err(unknown(name)) };
    };
    if value.is_empty() {
        return Err(format!("{name}{operator} what?"));
    }
    let number = match unit {
        Unit::Text => {
            return match operator {
                "~" => Ok(Some(Test::Contains(fact, lower(value)))),
                ":" | "=" => Ok(Some(Test::Begins(fact, lower(value)))),
                _ => Err(format!(
                    "{name} is a text: {name}:x for how it begins, {name}~x for any part"
                )),
            };
        }
        Unit::Bytes => {
            let amount = value.strip_suffix("/s").unwrap_or(value);
            amount.parse::<Bytes>().ok().map(|bytes| bytes.0 as f64)
        }
        Unit::Seconds => value.parse::<Span>().ok().map(|span| span.0.as_secs_f64()),
        Unit::Number => {
            let number = value.strip_suffix('%').unwrap_or(value).parse().ok();
            number.filter(|number: &f64| number.is_finite())
        }
    };
    let example = match unit {
        Unit::Bytes => "10M",
        Unit::Seconds => "15m",
        Unit::Text | Unit::Number => "2",
    };
    let number = number.ok_or_else(|| format!("{name} is a figure such as {example}"))?;
    Ok(Some(Test::Compares(fact, orders, number)))
}

fn unknown(name: &str) -> String {
    let numbers = FACTS.iter().filter(|(.., unit)| *unit != Unit::Text);
    let names: Vec<_> = numbers.map(|(name, ..)| *name).collect();
    if name.is_empty() {
        return format!("what should be compared: {}?", names.join(", "));
    }
    format!("there is no {name} to compare; there are {}", names.join(", "))
}

impl Test {
    fn holds(&self, row: &impl Facts) -> bool {
        let text = |fact: Fact| match row.fact(fact) {
            Some(Value::Text(text)) => Some(text.to_lowercase()),
            _ => None,
        };
        match self {
            Self::Has(part) => row.text().to_lowercase().contains(part),
            Self::Contains(fact, part) => text(*fact).is_some_and(|text| text.contains(part)),
            Self::Begins(fact, part) => text(*fact).is_some_and(|text| text.starts_with(part)),
            Self::Compares(fact, orders, number) => match row.fact(*fact) {
                Some(Value::Number(value)) => {
                    value.partial_cmp(number).is_some_and(|order| orders.contains(&order))
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row;

    impl Facts for Row {
        fn fact(&self, fact: Fact) -> Option<Value<'_>> {
            Some(match fact {
                Fact::Name => "Ubuntu 26.04 Desktop.iso".into(),
                Fact::State => "sharing".into(),
                Fact::Size => (5_u64 << 30).into(),
                Fact::Peers => 2_u64.into(),
                Fact::Up => (1_u64 << 20).into(),
                Fact::Ratio => 0.5.into(),
                Fact::Done => 61.4.into(),
                _ => return None,
            })
        }
    }

    fn passes(text: &str) -> bool {
        Filter::parse(text).unwrap().passes(&Row)
    }

    #[test]
    fn plain_words_are_looked_for_in_the_name() {
        for text in ["", "  ", "ubuntu", "ISO ubuntu", "26.04", "\"04 desk\"", "!debian", "\"\""] {
            assert!(passes(text), "{text}");
        }
        for text in ["debian", "ubuntu debian", "!ubuntu", "\"04  desk\"", "ubuntu !iso"] {
            assert!(!passes(text), "{text}");
        }
    }

    #[test]
    fn figures_are_compared_in_the_units_that_are_typed() {
        for text in [
            "size>4G",
            "size>=5GiB",
            "size<=5G",
            "size=5G",
            "peers>=2",
            "peers:2",
            "up<2M/s",
            "ratio<0.6",
            "done>50%",
            "SIZE>1k",
            "state:shar",
            "state=sharing",
            "name~desktop",
            "size>1G peers>=2 up<2M state:sharing name~26",
            "!peers>2",
            "!eta<5m",
        ] {
            assert!(passes(text), "{text}");
        }
        for text in ["size>5G", "peers<2", "up>1M", "state:ring", "eta<5m", "client~x", "ratio>1"] {
            assert!(!passes(text), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_explained() {
        let error = |text| Filter::parse(text).unwrap_err();
        assert_eq!(error("size>"), "size> what?");
        assert_eq!(error("size>x"), "size is a figure such as 10M");
        assert_eq!(error("eta<x"), "eta is a figure such as 15m");
        assert_eq!(error("peers>NaN"), "peers is a figure such as 2");
        assert_eq!(
            error("state>5"),
            "state is a text: state:x for how it begins, state~x for any part"
        );
        assert!(
            error("seeds>5").starts_with("there is no seeds to compare; there are size, done,")
        );
        assert!(error(">5").starts_with("what should be compared: size,"));
        assert!(Filter::parse(&"x".repeat(2000)).is_err());
    }

    #[test]
    fn names_with_signs_in_them_are_names() {
        for text in ["http://x", "a=b", "x~y", "a->b", "!", "26:04"] {
            let filter = Filter::parse(text).unwrap();
            assert!(!filter.is_empty() && !filter.passes(&Row), "{text}");
        }
    }
}
