//! What a benchmark found: the object that `--json` prints and `--compare` reads.

use serde::{Deserialize, Serialize};

use super::{
    compare::Comparison,
    limit::Limit,
    machine::Machine,
    measures::{Figures, Rates, Run, Setup},
};

/// Everything. Bytes and seconds are plain numbers, rates bytes a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was measured: always `swarm`.
    pub bench: Kind,
    /// Of the program.
    pub version: String,
    pub machine: Machine,
    pub settings: Setup,
    pub figures: Figures,
    pub rates: Rates,
    /// Every copy was compared with what was shared.
    pub verified: bool,
    /// What held the getters up.
    pub limited_by: Limit,
    /// How busy all cores were with it, from 0 to 1.
    pub busy: Option<f64>,
    /// How busy they were with other programs meanwhile.
    pub others: Option<f64>,
    pub runs: Vec<Run>,
    /// Only with `--compare`.
    pub compared: Option<Comparison>,
}

/// Marks the object as a report, so that nothing else is taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Swarm,
}
