//! Numbers as people type and read them: amounts, rates, times.
//!
//! Typed: `K`, `M`, `G`, `T` and `KiB`, `MiB`, … are powers of 1024 as in curl and rclone, `kB`,
//! `MB`, … are powers of 1000, and `kbit`, `Mbit`, `Gbit` are what networks are sold in. Read: binary
//! units with three digits. In JSON and TOML a plain number is bytes or seconds.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The text is no number with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct UnitError {
    expected: &'static str,
}

impl UnitError {
    /// What should have been typed instead.
    pub const fn expected(expected: &'static str) -> Self {
        Self { expected }
    }
}

const AMOUNT: UnitError = UnitError { expected: "an amount such as 4194304, 4M, 4MiB or 4.2MB" };
const RATE: UnitError =
    UnitError { expected: "a rate such as 10M, 10MiB/s or 100Mbit, or none for no limit" };
const SPAN: UnitError = UnitError { expected: "a time such as 90, 90s, 15m, 2h30m or 1d" };
const PATIENCE: UnitError =
    UnitError { expected: "a time such as 90, 90s, 15m, 2h30m or 1d, or none for no limit" };

/// Splits `12.5MiB` into 12.5 and `MiB`.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

/// How many bytes a unit is worth, bits among them.
fn unit_bytes(unit: &str) -> Option<f64> {
    let lower = unit.to_ascii_lowercase();
    if let Some(prefix) = lower.strip_suffix("bit") {
        let power = ["", "k", "m", "g", "t"].iter().position(|p| *p == prefix)?;
        return Some(1000_f64.powi(power as i32) / 8.0);
    }
    let (prefix, base) = match lower.strip_suffix("ib") {
        Some(prefix) if !prefix.is_empty() => (prefix, 1024_f64),
        Some(_) => return None,
        None => match lower.strip_suffix('b') {
            Some(prefix) => (prefix, 1000_f64),
            None => (lower.as_str(), 1024_f64),
        },
    };
    let power = ["", "k", "m", "g", "t", "p"].iter().position(|p| *p == prefix)?;
    Some(base.powi(power as i32))
}

fn parse_bytes(text: &str) -> Option<u64> {
    if let Ok(exact) = text.parse::<u64>() {
        return Some(exact);
    }
    let (number, unit) = split_number(text)?;
    let bytes = number * unit_bytes(unit)?;
    // Every amount below 2^63 that a person types is exact enough in an f64.
    (bytes.is_finite() && bytes < i64::MAX as f64).then(|| bytes.round() as u64)
}

fn parse_span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let (number, tail) = split_number(rest)?;
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(end);
        let seconds = match unit.trim() {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// Bytes a second that may pass, or no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit(pub Option<u64>);

/// A length of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// How long to wait, or for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patience(pub Option<Duration>);

/// Bytes a second, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub u64);

/// A length of time as a clock shows it: `0:41`, `1:02:03`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock(pub u64);

/// A moment in seconds since 1970, shown in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub u64);

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_bytes(text.trim()).map(Self).ok_or(AMOUNT)
    }
}

impl FromStr for Limit {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        if text == "none" {
            return Ok(Self(None));
        }
        let amount = text.strip_suffix("/s").unwrap_or(text);
        match parse_bytes(amount.trim_end()) {
            // A limit of nothing would be a pause by mistake.
            None | Some(0) => Err(RATE),
            rate => Ok(Self(rate)),
        }
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_span(text.trim()).map(Self).ok_or(SPAN)
    }
}

impl FromStr for Patience {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match text.trim() {
            "none" => Ok(Self(None)),
            text => parse_span(text).map(|span| Self(Some(span))).ok_or(PATIENCE),
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return f.pad(&format!("{} B", self.0));
        }
        let (mut value, mut unit) = (self.0 as f64 / 1024.0, 0);
        // The next unit begins where three digits would round to four.
        while value >= 999.5 {
            value /= 1024.0;
            unit += 1;
        }
        let digits = match value {
            v if v < 9.995 => 2,
            v if v < 99.95 => 1,
            _ => 0,
        };
        f.pad(&format!("{value:.digits$} {}", ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"][unit]))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", Bytes(self.0)))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.pad("none"),
            Some(rate) => Rate(rate).fmt(f),
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (h, m, s) = (self.0 / 3600, self.0 / 60 % 60, self.0 % 60);
        f.pad(&if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years of 365.2425 days that begin in March, so that the leap day is the last (Howard
        // Hinnant's `civil_from_days`); the cap keeps the year readable.
        let (days, minute) = ((self.0 / 86400).min(2_932_896) + 719_468, self.0 / 60 % 1440);
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
        let of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let (d, m) = (of_year - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
        let y = era * 400 + year + u64::from(m <= 2);
        write!(f, "{y:04}-{m:02}-{d:02} {:02}:{:02} UTC", minute / 60, minute % 60)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_secs(1) {
            return write!(f, "{}ms", self.0.as_millis());
        }
        let mut left = self.0.as_secs();
        for (unit, seconds) in [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)] {
            if left >= seconds {
                write!(f, "{}{unit}", left / seconds)?;
                left %= seconds;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(span) => Span(span).fmt(f),
        }
    }
}

/// Reads a number or a text with a unit, as a configuration file may hold either.
fn number_or_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = UnitError>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    let text = match Either::deserialize(deserializer)? {
        Either::Number(number) => number.to_string(),
        Either::Text(text) => text,
    };
    text.parse().map_err(de::Error::custom)
}

macro_rules! in_config_files {
    ($($name:ident),*) => { $(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                number_or_text(deserializer)
            }
        }
    )* };
}

in_config_files!(Bytes, Limit, Span, Patience);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for Patience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.map(|span| span.as_secs_f64()).serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
