//! Computes a record's figures again from its raw blocks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{derive::derive_record, tuned};
use crate::record::{Arm, Record, Tool, Tune};

/// A figure that came out otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Where in the record, such as `arms[0].throughput.images_per_second.median`.
    pub place: String,
    /// What stands there.
    pub recorded: String,
    /// What follows from the blocks.
    pub computed: String,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// Figures that were computed again.
    pub figures: usize,
    /// Raw blocks that they were computed from.
    pub blocks: usize,
    /// Those that came out otherwise.
    pub mismatches: Vec<Mismatch>,
    /// Whether what checks observed is compared word by word, and not by its numbers alone.
    words: bool,
}

/// Figures may differ by this part: the order of sums may be another one.
const TOLERANCE: f64 = 1e-9;

/// Computes everything of `record` again that follows from its raw blocks. What checks observed is compared word by word
/// where `tool`, the program that audits, is the very one that measured; another one may put the same numbers in other
/// words, and then the numbers are compared.
pub fn audit(record: &Record, tool: &Tool) -> serde_json::Result<Audit> {
    let mut again = record.clone();
    derive_record(&mut again);
    let blocks = |arm: &Arm| {
        let points = arm.points.iter().map(|point| point.blocks.len());
        arm.blocks.len() + points.sum::<usize>()
    };
    let mut audit = Audit {
        figures: 0,
        blocks: record.arms.iter().map(blocks).sum(),
        mismatches: Vec::new(),
        words: is_same_program(record, tool),
    };
    for (index, (recorded, computed)) in record.arms.iter().zip(&again.arms).enumerate() {
        let (recorded, computed) = (
            serde_json::to_value(&recorded.figures)?,
            serde_json::to_value(&computed.figures)?,
        );
        audit.compare(&format!("arms[{index}]"), &recorded, &computed);
    }
    let (recorded, computed) = (serde_json::to_value(record)?, serde_json::to_value(&again)?);
    for part in ["checks", "comparisons", "tenants", "fleet"] {
        audit.compare(part, &recorded[part], &computed[part]);
    }
    if let Some(tune) = &record.tune {
        audit.searched(tune, &again, &recorded["tune"])?;
    }
    Ok(audit)
}

/// Whether everything in `record` was made by the program `tool`, of the same version and commit.
fn is_same_program(record: &Record, tool: &Tool) -> bool {
    let is_same = |other: &Tool| other.version == tool.version && other.commit == tool.commit;
    is_same(&record.tool)
        && record.sources.iter().all(|source| is_same(&source.tool))
        && record.arms.iter().all(|arm| !arm.is_converted())
}

/// The numbers in a text: other words are no other figures.
fn numbers(text: &str) -> Vec<&str> {
    let parts = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let trimmed = parts.map(|part| part.trim_matches('.'));
    trimmed.filter(|part| !part.is_empty()).collect()
}

/// A list of checks by their names; `None` where `list` is none of checks.
fn by_id(list: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    list.iter()
        .map(|item| Some((item["id"].as_str()?, item)))
        .collect()
}

impl Audit {
    /// Compares a search, as it is `recorded`, with its blocks, and what was chosen with the arms that are computed
    /// `again`.
    fn searched(&mut self, tune: &Tune, again: &Record, recorded: &Value) -> serde_json::Result<()> {
        for (number, candidate) in tune.candidates.iter().enumerate() {
            for (place, kept) in candidate.rounds.iter().enumerate() {
                let computed = serde_json::to_value(tuned::round(kept.block.clone()))?;
                let recorded = &recorded["candidates"][number]["rounds"][place];
                self.blocks += 1;
                for figure in ["images_per_second", "latency_ms"] {
                    let place = format!("tune.candidates[{number}].rounds[{place}].{figure}");
                    self.compare(&place, &recorded[figure], &computed[figure]);
                }
            }
        }
        if !again.interrupted {
            let chosen = tuned::chosen(&again.arms, &again.comparisons, tune.bound);
            self.compare("tune.chosen", &recorded["chosen"], &serde_json::to_value(chosen)?);
        }
        Ok(())
    }

    /// Compares what is recorded at `place` with what was computed, leaf by leaf.
    fn compare(&mut self, place: &str, recorded: &Value, computed: &Value) {
        match (recorded, computed) {
            (Value::Array(a), Value::Array(b)) => match (by_id(a), by_id(b)) {
                (Some(a), Some(b)) if !a.is_empty() || !b.is_empty() => {
                    let ids: BTreeSet<&&str> = a.keys().chain(b.keys()).collect();
                    for id in ids {
                        let of = |list: &BTreeMap<&str, &Value>| list.get(*id).copied().cloned();
                        let (a, b) = (of(&a).unwrap_or_default(), of(&b).unwrap_or_default());
                        self.compare(&format!("{place}.{id}"), &a, &b);
                    }
                }
                _ if a.len() == b.len() => {
                    for (index, (a, b)) in a.iter().zip(b).enumerate() {
                        self.compare(&format!("{place}[{index}]"), a, b);
                    }
                }
                _ => self.leaf(place, recorded, computed, false),
            },
            (Value::Object(a), Value::Object(b)) => {
                for (key, b) in b {
                    // Words of advice are no figures.
                    if !["limit", "advice"].contains(&key.as_str()) {
                        let a = a.get(key).unwrap_or(&Value::Null);
                        self.compare(&format!("{place}.{key}"), a, b);
                    }
                }
            }
            _ => {
                let same = match (recorded.as_f64(), computed.as_f64()) {
                    (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
                    _ if place.ends_with(".observed") && !self.words => {
                        let (a, b) = (recorded.as_str(), computed.as_str());
                        a.map(numbers) == b.map(numbers)
                    }
                    _ => recorded == computed,
                };
                self.leaf(place, recorded, computed, same);
            }
        }
    }

    fn leaf(&mut self, place: &str, recorded: &Value, computed: &Value, same: bool) {
        self.figures += 1;
        if !same {
            self.mismatches.push(Mismatch {
                place: place.to_owned(),
                recorded: recorded.to_string(),
                computed: computed.to_string(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mismatches(recorded: &Value, computed: &Value) -> Vec<String> {
        mismatches_of(recorded, computed, false)
    }

    fn mismatches_of(recorded: &Value, computed: &Value, words: bool) -> Vec<String> {
        let mut audit = Audit {
            figures: 0,
            blocks: 0,
            mismatches: Vec::new(),
            words,
        };
        audit.compare("x", recorded, computed);
        audit
            .mismatches
            .into_iter()
            .map(|mismatch| mismatch.place)
            .collect()
    }

    #[test]
    fn checks_are_found_by_name_and_compared_by_their_numbers() {
        let check = |id: &str, observed: &str| json!({"id": id, "outcome": "passed", "observed": observed});
        let (a, b) = (check("a", "witness: 1.5 % of 3"), check("b", "2"));
        let reworded = check("a", "host log: 1.5 % of 3.");
        assert!(mismatches(&json!([a, b]), &json!([b, reworded])).is_empty());
        let word_by_word = mismatches_of(&json!([a, b]), &json!([b, reworded]), true);
        assert_eq!(word_by_word, ["x.a.observed"]);
        assert_eq!(
            mismatches(&json!([a]), &json!([check("a", "1.6 % of 3")])),
            ["x.a.observed"]
        );
        assert_eq!(mismatches(&json!([a]), &json!([a, b])), ["x.b"]);
        assert_eq!(mismatches(&json!([a]), &json!([])), ["x.a"]);
    }

    #[test]
    fn the_last_bits_are_no_mismatch() {
        assert!(mismatches(&json!({"y": 1.0}), &json!({"y": 1.0 + 1e-12})).is_empty());
        assert_eq!(mismatches(&json!({"y": 1.0}), &json!({"y": 1.001})), ["x.y"]);
        assert_eq!(mismatches(&json!({}), &json!({"y": 1})), ["x.y"]);
        assert_eq!(mismatches(&json!([1]), &json!([1, 2])), ["x"]);
    }
}
