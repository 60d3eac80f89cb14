//! Whether the answers are right: against the reference, and against ground truth.

use super::super::{
    format::NONE,
    grid::{Cell, Grid, Row, check_anchor, column, numbers},
};
use crate::record::Record;

/// One row per arm whose answers were compared; `None` where none was.
pub(in crate::report) fn grid(record: &Record) -> Option<Grid> {
    let mut rows = Vec::new();
    for (place, arm) in record.arms.iter().enumerate() {
        let Some(accuracy) = &arm.accuracy else { continue };
        let cell = |value: Option<f64>, digits: usize, rule: &'static str| {
            let text = value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.digits$}"));
            match arm.figures.checks.iter().position(|check| check.id == rule) {
                Some(check) => Cell::local(text, check_anchor(Some(place), check)),
                None => Cell::rule(text, rule),
            }
        };
        let tar = accuracy.verification.as_ref().map(|v| v.tar);
        rows.push(Row {
            anchor: None,
            cells: vec![
                Cell::plain(&arm.label),
                Cell::plain(&accuracy.reference),
                cell(accuracy.faces_matched.map(|share| share * 100.0), 1, "agreement"),
                cell(accuracy.faces_ratio, 3, "agreement"),
                cell(accuracy.iou_median, 3, "agreement"),
                cell(accuracy.cosine_median, 4, "agreement"),
                cell(accuracy.cosine_p01, 4, "agreement"),
                cell(accuracy.detection_ap, 3, "ground-truth"),
                cell(tar, 3, "ground-truth"),
            ],
        });
    }
    let mut columns = vec![column("arm"), column("reference")];
    columns.extend(
        [
            "faces matched, %",
            "faces, ratio",
            "IoU, median",
            "cosine, median",
            "cosine, p1",
            "detection AP",
            "TAR at FAR 1e-3",
        ]
        .map(numbers),
    );
    (!rows.is_empty()).then(|| Grid {
        title: "Answers",
        note: "against the reference's answers on the same photos; AP and TAR against the ground truth"
            .to_owned(),
        columns,
        rows,
    })
}
