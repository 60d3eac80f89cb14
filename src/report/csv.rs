//! A record's raw blocks as one tidy table for R, pandas or a spreadsheet: one row for each block, one column for each fact.
//!
//! | column | what it holds |
//! |---|---|
//! | `record`, `source` | the record's id; the id of the study that the arm is from |
//! | `arm`, `status` | the arm's label and what its figures are worth |
//! | `part` | `arm` for the arm's own blocks, `curve` for those of another point of its curve |
//! | `streams`, `threads`, `batch` | the settings that were at work |
//! | `process`, `block`, `order` | number of the process, of the block in it, of the block in the study, from 0 |
//! | `images`, `faces`, `seconds` | the photos and faces answered, and the time that took |
//! | `images_per_second` | `images` / `seconds` |
//! | `rate` | queries sent a second; empty where the next query follows the last |
//! | `decode_seconds` ... `match_seconds` | seconds that all streams together spent in each stage |
//! | `own_cpu_seconds` ... `joules` | the machine's counters meanwhile; empty where it could not be read |

use csv::Writer;

use super::visible::visible;
use crate::record::{Arm, Block, Record};

/// The columns, in their order.
const COLUMNS: [&str; 29] = [
    "record",
    "source",
    "arm",
    "status",
    "part",
    "streams",
    "threads",
    "batch",
    "process",
    "block",
    "order",
    "images",
    "faces",
    "seconds",
    "images_per_second",
    "rate",
    "decode_seconds",
    "detect_seconds",
    "align_seconds",
    "embed_seconds",
    "match_seconds",
    "own_cpu_seconds",
    "busy_seconds",
    "stolen_seconds",
    "throttled_seconds",
    "clock_mhz",
    "thermal_events",
    "storage_bytes",
    "joules",
];

/// Every raw block of `record`; the `csv` crate quotes cells that hold commas, quotes or line breaks. Text that a
/// spreadsheet would compute has an apostrophe before it.
pub fn render(record: &Record) -> Result<String, csv::Error> {
    let record = &*visible(record);
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for arm in &record.arms {
        for block in &arm.blocks {
            writer.write_record(row(record, arm, "arm", (arm.streams, arm.batch), block))?;
        }
        for point in &arm.points {
            for block in &point.blocks {
                writer.write_record(row(record, arm, "curve", (point.streams, point.batch), block))?;
            }
        }
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn row(record: &Record, arm: &Arm, part: &str, work: (usize, usize), block: &Block) -> Vec<String> {
    let maybe = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let seen = &block.conditions;
    let mut cells = vec![
        record.id.clone(),
        arm.source.clone().unwrap_or_else(|| record.id.clone()),
        arm.label.clone(),
        status(arm).to_owned(),
        part.to_owned(),
        work.0.to_string(),
        arm.threads.to_string(),
        work.1.to_string(),
        block.process.to_string(),
        block.block.to_string(),
        block.order.to_string(),
        block.images.to_string(),
        block.faces.to_string(),
        block.seconds.to_string(),
        (block.images as f64 / block.seconds).to_string(),
        maybe(block.rate),
    ];
    cells.extend(block.stage_seconds.values().map(|time| time.0.to_string()));
    cells.extend([
        maybe(seen.own_cpu_seconds),
        maybe(seen.busy_seconds),
        maybe(seen.stolen_seconds),
        maybe(seen.throttled_seconds),
        maybe(seen.clock_mhz),
        seen.thermal_events
            .map_or_else(String::new, |events| events.to_string()),
        seen.storage_bytes
            .map_or_else(String::new, |bytes| bytes.to_string()),
        maybe(seen.joules),
    ]);
    cells.into_iter().map(inert).collect()
}

/// `cell` as a spreadsheet takes it for text or a number, never for a formula: the apostrophe is what their users write.
fn inert(cell: String) -> String {
    let formula = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let number = || {
        let digits = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        cell.chars().all(digits) && cell.parse::<f64>().is_ok()
    };
    if cell.trim_start().starts_with(formula) && !number() {
        format!("'{cell}")
    } else {
        cell
    }
}

/// The status as records spell it.
fn status(arm: &Arm) -> &'static str {
    use crate::record::Status;
    match arm.figures.status {
        Status::Valid => "valid",
        Status::Unstable => "unstable",
        Status::Invalid => "invalid",
        Status::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, tests::record};
    use super::*;
    use crate::record::Point;

    #[test]
    fn commas_in_labels_stay_in_their_cell() {
        let mut record = record(fixture::full());
        let point = &record.arms[2].figures.curve[1];
        let point = Point {
            streams: point.streams,
            batch: point.batch,
            blocks: vec![record.arms[2].blocks[0].clone()],
        };
        record.arms[2].points.push(point);
        record.arms[1].label = "a,\"b\"\nc".to_owned();
        record.arms[0].label = "=1+1".to_owned();
        let text = render(&record).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 37, "3 arms x 12 blocks, and one of the curve");
        assert!(rows.iter().any(|row| &row[2] == "a,\"b\"\\nc"));
        assert!(rows.iter().any(|row| &row[2] == "'=1+1"));
        let curve: Vec<_> = rows.iter().filter(|row| &row[4] == "curve").collect();
        assert_eq!((curve.len(), &curve[0][5]), (1, "2"));
        assert_eq!(&rows[0][24], "", "what could not be read is empty");
    }

    #[test]
    fn a_cell_is_no_formula_and_a_number_stays_one() {
        for text in [
            "=1+1",
            "+A1",
            "-2+3",
            "@SUM(A1)",
            " =1",
            "＝1",
            "-",
            "-inf",
            "+cmd|' /C calc'!A0",
        ] {
            assert_eq!(inert(text.to_owned()), format!("'{text}"));
        }
        for text in ["-1.5", "+2e-3", "1.5", "cpu", "", "a=b", "é-"] {
            assert_eq!(inert(text.to_owned()), text);
        }
    }
}
