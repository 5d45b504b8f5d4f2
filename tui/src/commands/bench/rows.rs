//! The figures as people read them: names, units, and which way is better.

use super::{measures::Figures, spread::Spread};
use crate::units::{Bytes, Rate};

/// One figure.
pub struct Row {
    /// Its name in a table.
    pub name: &'static str,
    /// Its name in the report.
    pub key: &'static str,
    pub unit: Unit,
    pub better: Better,
    /// A difference below this is not told apart from chance, however small the figure is.
    pub grain: f64,
    pub get: fn(&Figures) -> Option<Spread>,
}

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Rate,
    Bytes,
    Copies,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Less,
    More,
    /// It is shown, and never judged.
    Unjudged,
}

/// All figures, in the order of the table.
pub const ROWS: [Row; 11] = [
    row("first getter done", "first_s", Unit::Seconds, Better::Less, 0.02, |f| f.first_s),
    row("median getter done", "median_s", Unit::Seconds, Better::Less, 0.02, |f| f.median_s),
    row("last getter done", "last_s", Unit::Seconds, Better::Less, 0.02, |f| f.last_s),
    row("into all getters", "rate", Unit::Rate, Better::More, 1e6, |f| f.rate),
    row("sent by the seeder", "seed_copies", Unit::Copies, Better::Less, 0.05, |f| f.seed_copies),
    // Some more or less of these depends on chance alone, and usually they are nothing.
    row("received twice", "duplicate_bytes", Unit::Bytes, Better::Unjudged, 0.0, |f| {
        f.duplicate_bytes
    }),
    row("received corrupt", "corrupt_bytes", Unit::Bytes, Better::Unjudged, 0.0, |f| {
        f.corrupt_bytes
    }),
    // The system counts in hundredths of a second, user and system time apart.
    row("CPU of the seeder", "seeder_cpu_s", Unit::Seconds, Better::Less, 0.03, |f| f.seeder_cpu_s),
    row("CPU of a getter", "getter_cpu_s", Unit::Seconds, Better::Less, 0.03, |f| f.getter_cpu_s),
    // Some megabytes more or less are how many blocks happened to be under way at a time.
    row("peak memory, seeder", "seeder_peak_bytes", Unit::Bytes, Better::Less, 8388608.0, |f| {
        f.seeder_peak_bytes
    }),
    row("peak memory, getter", "getter_peak_bytes", Unit::Bytes, Better::Less, 8388608.0, |f| {
        f.getter_peak_bytes
    }),
];

const fn row(
    name: &'static str,
    key: &'static str,
    unit: Unit,
    better: Better,
    grain: f64,
    get: fn(&Figures) -> Option<Spread>,
) -> Row {
    Row { name, key, unit, better, grain, get }
}

impl Unit {
    /// The value with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            // Below this the hundredths would be all there is.
            Self::Seconds if value < 0.0995 => format!("{:.0} ms", value * 1000.0),
            Self::Seconds => format!("{value:.2} s"),
            Self::Rate => Rate(value as u64).to_string(),
            Self::Bytes => Bytes(value as u64).to_string(),
            Self::Copies => format!("{value:.2} copies"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::sample;

    #[test]
    fn values_have_their_unit() {
        let seconds = |value| Unit::Seconds.show(value);
        assert_eq!(
            [0.0, 0.0994, 0.0996, 12.345].map(seconds),
            ["0 ms", "99 ms", "0.10 s", "12.35 s"]
        );
        assert_eq!(Unit::Copies.show(1.25), "1.25 copies");
    }

    #[test]
    fn every_figure_has_a_row_under_its_own_name() {
        let figures = sample::report().figures;
        let object = serde_json::to_value(&figures).unwrap();
        let keys: Vec<_> = object.as_object().unwrap().keys().cloned().collect();
        let mut rows: Vec<_> = ROWS.iter().map(|row| row.key).collect();
        rows.sort_unstable();
        assert_eq!(rows, keys);
        for row in &ROWS {
            let found = serde_json::to_value((row.get)(&figures)).unwrap();
            assert_eq!(found, object[row.key], "{}", row.key);
        }
    }
}
