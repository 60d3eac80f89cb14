//! Any JSON as a record: read, audited, compared with itself, and shown in every format. What is shown holds nothing that
//! a terminal obeys.

#![no_main]

use facebench::{
    analysis::audit::audit,
    record::Record,
    report::{
        answer,
        chart::{self, ChartKind},
        comparison, csv, html, markdown, parse, table, tenants,
    },
    sharing::merge,
    text::visible_lines,
};
use libfuzzer_sys::fuzz_target;

fn sound(text: &str) {
    assert_eq!(visible_lines(text), text);
}

fn shown(record: &Record) {
    sound(&table::render(record));
    sound(&markdown::render(record, None));
    let answer = answer::general(record);
    if let Ok(page) = html::page(record, &answer, &[]) {
        sound(&page);
    }
    if let Ok(text) = csv::render(record) {
        sound(&text);
    }
    for kind in ChartKind::ALL {
        if let Ok(svg) = chart::draw(kind, record, &[]) {
            sound(&svg);
        }
    }
    tenants::sentences(record).iter().for_each(|line| sound(line));
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = parse(bytes) else { return };
    let _ = audit(&record);
    shown(&record);
    if let Ok(merged) = merge::compare(record.clone(), record) {
        sound(&comparison::render(&merged));
        shown(&merged);
    }
});
