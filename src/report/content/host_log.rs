//! What the logs of the GPUs' hosts show for the time in which arms were measured: one row for each arm.

use std::fmt::Write;

use super::super::{
    format::{NONE, maybe},
    grid::{Cell, Grid, Row, column, numbers},
};
use crate::record::{HostLogSummary, Record};

/// One row per arm that a log covers; `None` where no log was merged in.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let logged: Vec<(&str, &HostLogSummary)> = record
        .arms
        .iter()
        .filter_map(|arm| Some((arm.label.as_str(), arm.host_log.as_ref()?)))
        .collect();
    if logged.is_empty() {
        return None;
    }
    let mut columns: Vec<_> = ["arm", "board", "vGPU type", "scheduler"].map(column).into();
    columns.extend(
        [
            "samples",
            "other vGPUs",
            "their use",
            "clock `MHz`",
            "lowest",
            "power `W`",
            "slowed",
            "capped",
        ]
        .map(numbers),
    );
    columns.push(column("licensed"));
    Some(Grid {
        title: "Host log",
        note: note(&logged),
        columns,
        rows: logged.iter().map(|(label, log)| row(label, log)).collect(),
    })
}

fn note(logged: &[(&str, &HostLogSummary)]) -> String {
    let tolerance = logged.iter().map(|(_, log)| log.tolerance_seconds);
    let tolerance = tolerance.fold(0.0, f64::max);
    let mut note = format!(
        "only samples within the arms' blocks count; the clocks of guest and host are up to {} s apart. Other vGPUs: how many \
         were on the board. Their use: the share of the board's time that they took. Slowed, capped: the share of samples \
         at which heat or the power limit lowered the clock",
        maybe(Some(tolerance))
    );
    for (label, log) in logged {
        for (field, reason) in &log.unavailable {
            let _ = write!(note, ". {label}: no {}: {reason}", field.replace('_', " "));
        }
    }
    note
}

fn row(label: &str, log: &HostLogSummary) -> Row {
    let share =
        |share: Option<f64>| share.map_or_else(|| NONE.to_owned(), |share| format!("{:.0} %", share * 100.0));
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
    let scheduler = log.scheduler.as_ref().map(|scheduler| {
        let policy = scheduler.policy.name();
        match scheduler.timeslice_ns {
            Some(slice) if slice > 0 => format!("{policy}, {} ms", slice as f64 / 1e6),
            _ => policy.to_owned(),
        }
    });
    let cells = [
        label.to_owned(),
        or_none(&log.board),
        or_none(&log.vgpu_type),
        scheduler.unwrap_or_else(|| NONE.to_owned()),
        log.samples.to_string(),
        match (log.other_vgpus_mean, log.other_vgpus_max) {
            (Some(mean), Some(most)) if mean < most as f64 => {
                format!("{}, at most {most}", maybe(Some(mean)))
            }
            (_, Some(most)) => most.to_string(),
            (_, None) => NONE.to_owned(),
        },
        match (share(log.other_vgpus_use_mean), share(log.other_vgpus_use_max)) {
            (mean, most) if mean == most => mean,
            (mean, most) => format!("{mean}, at most {most}"),
        },
        maybe(log.sm_clock_mhz_median),
        maybe(log.sm_clock_mhz_min),
        maybe(log.power_watts_median),
        share(log.slowed_share),
        share(log.power_capped_share),
        match log.licensed {
            Some(true) => "yes".to_owned(),
            Some(false) => "no".to_owned(),
            None => NONE.to_owned(),
        },
    ];
    Row {
        anchor: None,
        cells: cells.map(Cell::plain).to_vec(),
    }
}
