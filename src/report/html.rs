//! A record as one HTML page: no request to anywhere, light and dark, narrow and wide.

use std::fmt::Write;

use super::{
    chart::{self, ChartError},
    published::Published,
    table::{number, status},
};
use crate::record::{Arm, Outcome, Record};

const STYLE: &str = include_str!("page.css");

/// The page: `answer` first, then chart, arms, checks, machine, and the record itself for download.
pub fn page(record: &Record, answer: &str, published: &[Published]) -> Result<String, ChartError> {
    let chart = chart::throughput(record, published)?;
    let title = format!("facebench: {}", record.workload.dataset.name);
    let mut body = String::new();
    let _ = write!(
        body,
        "<h1>facebench</h1>\n<p class=\"answer\">{}</p>\n<figure>{chart}</figure>\n",
        escape(answer)
    );
    if let Some(figure) = published.first() {
        let _ = writeln!(
            body,
            "<p class=\"quiet\">Grey bars: {}.</p>",
            escape(figure.source)
        );
    }
    arms(&mut body, record);
    checks(&mut body, record);
    machine(&mut body, record);
    let json = serde_json::to_string(record).unwrap_or_default();
    let _ = write!(
        body,
        "<h2>Record</h2>\n<p><a download=\"{id}.json\" href=\"data:application/json;charset=utf-8,{data}\">The whole \
         record, {id}.json</a>: every raw block, so that each figure here can be computed again.</p>\n",
        id = escape(&record.id),
        data = percent(&json)
    );
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(&title)
    ))
}

fn arms(body: &mut String, record: &Record) {
    let rows: Vec<[String; 7]> = record.arms.iter().map(arm_row).collect();
    let head = [
        "arm",
        "status",
        "images/s",
        "95 % interval",
        "faces/s",
        "detection AP",
        "TAR at FAR 1e-3",
    ];
    body.push_str("<h2>Arms</h2>\n");
    table(body, &head, &rows);
    let stages: Vec<[String; 6]> = record
        .arms
        .iter()
        .filter_map(|arm| {
            let s = arm.stages_ms?;
            let [decode, detect, align, embed, matching] =
                [s.decode, s.detect, s.align, s.embed, s.matching].map(|ms| format!("{ms:.2}"));
            Some([arm.label.clone(), decode, detect, align, embed, matching])
        })
        .collect();
    if !stages.is_empty() {
        body.push_str("<h2>Milliseconds a photo, one stream</h2>\n");
        table(
            body,
            &["arm", "decode", "detect", "align", "embed", "match"],
            &stages,
        );
    }
}

fn arm_row(arm: &Arm) -> [String; 7] {
    let dash = || "-".to_owned();
    let images = arm
        .throughput
        .as_ref()
        .map(|throughput| throughput.images_per_second);
    let interval = images.and_then(|e| e.low.zip(e.high));
    let accuracy = arm.accuracy.as_ref();
    [
        arm.label.clone(),
        status(arm.status).to_owned(),
        images.map_or_else(dash, |e| number(e.median)),
        interval.map_or_else(dash, |(low, high)| format!("{} to {}", number(low), number(high))),
        arm.throughput
            .as_ref()
            .map_or_else(dash, |t| number(t.faces_per_second.median)),
        accuracy
            .and_then(|a| a.detection_ap)
            .map_or_else(dash, |ap| format!("{ap:.3}")),
        accuracy
            .and_then(|a| a.verification.as_ref())
            .map_or_else(dash, |v| format!("{:.3}", v.tar)),
    ]
}

fn checks(body: &mut String, record: &Record) {
    let rows: Vec<[String; 5]> = record
        .arms
        .iter()
        .flat_map(|arm| arm.checks.iter().map(move |check| (arm, check)))
        .map(|(arm, check)| {
            let outcome = match check.outcome {
                Outcome::Passed => "passed",
                Outcome::Failed => "failed",
                Outcome::Unknown => "unknown",
            };
            let limit = if check.advice.is_empty() {
                check.limit.clone()
            } else {
                format!("{}; {}", check.limit, check.advice)
            };
            [
                arm.label.clone(),
                check.id.clone(),
                outcome.to_owned(),
                check.observed.clone(),
                limit,
            ]
        })
        .collect();
    body.push_str("<h2>Checks</h2>\n");
    table(body, &["arm", "check", "outcome", "observed", "limit"], &rows);
}

fn machine(body: &mut String, record: &Record) {
    let host = &record.host;
    let unknown = || "unknown".to_owned();
    let memory = host
        .memory
        .total_bytes
        .map_or_else(unknown, |bytes| format!("{:.1} GB", bytes as f64 / 1e9));
    let rows = [
        ["cpu".to_owned(), host.cpu.model.clone().unwrap_or_else(unknown)],
        ["host cores".to_owned(), record.plan.host_cores.to_string()],
        ["memory".to_owned(), memory],
        ["system".to_owned(), host.os.clone().unwrap_or_else(unknown)],
        ["measured".to_owned(), record.created_at.clone()],
        ["facebench".to_owned(), record.tool.version.clone()],
    ];
    body.push_str("<h2>Machine</h2>\n");
    table(body, &["", ""], &rows);
}

fn table<const N: usize>(body: &mut String, head: &[&str; N], rows: &[[String; N]]) {
    let line = |body: &mut String, tag: &str, cells: &[String]| {
        body.push_str("<tr>");
        for cell in cells {
            let _ = write!(body, "<{tag}>{}</{tag}>", escape(cell));
        }
        body.push_str("</tr>\n");
    };
    body.push_str("<div class=\"scroll\"><table>\n");
    if head.iter().any(|cell| !cell.is_empty()) {
        line(body, "th", &head.map(str::to_owned));
    }
    for row in rows {
        line(body, "td", row);
    }
    body.push_str("</table></div>\n");
}

/// Text that cannot be mistaken for markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Text for a data address: all but plain letters and digits by their numbers.
fn percent(text: &str) -> String {
    let mut coded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~,:".contains(&byte) {
            coded.push(char::from(byte));
        } else {
            let _ = write!(coded, "%{byte:02X}");
        }
    }
    coded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(escape("<b>\"&"), "&lt;b&gt;&quot;&amp;");
        assert_eq!(percent("a b\"%"), "a%20b%22%25");
    }
}
