//! The noise floor of a machine: how different two equal arms appear. Kept in facebench's home, for this machine only.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{Failure, progress::notify};
use crate::{
    files::write_atomic,
    record::{Comparison, Host, Record, Status, limits::MARGIN},
    text::ShownPath,
};

const FILE: &str = "noise-floor.json";

/// The floor of one backend: one that sleeps is quieter than one that computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The floor, as a fraction.
    floor: f64,
    /// The backend.
    backend: String,
    /// The machine that it was measured on.
    machine: Machine,
    /// When.
    measured_at: String,
}

/// The part of a machine's description that must be the same for its floor to apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Machine {
    cpu: Option<String>,
    cores: Vec<usize>,
    kernel: Option<String>,
}

impl Machine {
    fn of(host: &Host, cores: &[usize]) -> Self {
        Self {
            cpu: host.cpu.model.clone(),
            cores: cores.to_vec(),
            kernel: host.kernel.clone(),
        }
    }
}

/// The largest floor of these backends on these cores, as a fraction; `None` unless each has been measured. A file
/// that cannot be read counts as none: it can be measured again.
pub fn known(host: &Host, cores: &[usize], backends: &[&str], home: &Path) -> Option<f64> {
    let machine = Machine::of(host, cores);
    let kept = read(home);
    let of = |backend: &&str| {
        let found = kept
            .iter()
            .find(|kept| kept.backend == **backend && kept.machine == machine);
        found.map(|kept| kept.floor)
    };
    backends
        .iter()
        .map(of)
        .try_fold(0.0, |most: f64, floor| Some(most.max(floor?)))
}

fn read(home: &Path) -> Vec<Kept> {
    let path = home.join(FILE);
    let Ok(text) = fs::read(&path) else {
        return Vec::new();
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        notify(&format!(
            "{}: {error}; no noise floor is known until it is measured again (run --noise-floor)",
            path.shown()
        ));
        Vec::new()
    })
}

/// The floor that an A/A comparison shows: the far end of its interval.
fn floor(comparison: &Comparison) -> Option<f64> {
    let ends = [comparison.ratio.low?, comparison.ratio.high?];
    Some(
        ends.map(|end| end.ln().abs())
            .into_iter()
            .fold(0.0, f64::max)
            .exp_m1(),
    )
}

/// Keeps the floor that `record`, an A/A study of `backend`, shows.
pub fn keep(record: &Record, backend: &str, home: &Path) -> Result<(), Failure> {
    let floor = record
        .comparisons
        .first()
        .and_then(floor)
        .filter(|_| !record.interrupted);
    let Some(floor) = floor else {
        return Err(Failure::Usage(
            "--noise-floor: two processes or more are needed, and both arms must be measured to the end"
                .to_owned(),
        ));
    };
    let kept = Kept {
        floor,
        backend: backend.to_owned(),
        machine: Machine::of(&record.host, &record.plan.host_core_list),
        measured_at: record.created_at.clone(),
    };
    let mut all = read(home);
    all.retain(|old| (&old.backend, &old.machine) != (&kept.backend, &kept.machine));
    all.push(kept);
    let path = home.join(FILE);
    let text = serde_json::to_string_pretty(&all).map_err(std::io::Error::from);
    text.and_then(|text| write_atomic(&path, text.as_bytes()))
        .map_err(Failure::output(&path))?;
    let doubt = if record
        .arms
        .iter()
        .any(|arm| arm.figures.status == Status::Unstable)
    {
        "; the study was unstable: measure it again when the machine is quiet"
    } else {
        ""
    };
    notify(&format!(
        "noise floor of {backend}: {:.1} %, kept for this machine; smaller differences than {:.1} % count as none{doubt}",
        floor * 100.0,
        floor.max(MARGIN) * 100.0
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Estimate, Verdict};

    #[test]
    fn the_floor_is_the_far_end() {
        let comparison = |low, high| Comparison {
            arm: "b".into(),
            baseline: "a".into(),
            ratio: Estimate {
                median: 1.0,
                low,
                high,
            },
            verdict: Verdict::Inconclusive,
            paired: true,
            bounded_ratio: None,
            corrected_for: 1,
            status: Status::Valid,
            reasons: Vec::new(),
        };
        assert!((floor(&comparison(Some(0.99), Some(1.03))).unwrap() - 0.03).abs() < 1e-9);
        assert!((floor(&comparison(Some(0.95), Some(1.01))).unwrap() - (1.0 / 0.95 - 1.0)).abs() < 1e-9);
        assert_eq!(floor(&comparison(None, None)), None);
    }
}
