//! Records in which every string from outside holds what a terminal, a browser or a spreadsheet obeys, in every format.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    answer,
    chart::{self, ChartKind},
    comparison, csv, fixture, fleet,
    html::{self, Pages},
    markdown, table, tenants, tuned,
};
use crate::{record::Record, text};

/// Put behind every string, so that labels are still those that comparisons name.
const POISON: &str = "\u{1b}[31m\u{7}\u{9b}2J\u{7f}\u{202e}\u{2066}\u{2028}\u{200b}\u{fffe}\r\n\tFORGED|<b onclick=\"x\">`](x://y)&'";

/// The fixtures, and what results/ has of other kinds of record.
fn records() -> Vec<Value> {
    let mut records = vec![
        fixture::full(),
        fixture::plain(),
        fixture::server(),
        fixture::merged(),
        fixture::tuned(),
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    for entry in walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .flatten()
    {
        let named = |part: &str| entry.path().to_string_lossy().contains(part);
        if entry.path().extension().is_some_and(|end| end == "json") && (named("tenants") || named("fleet")) {
            let text = std::fs::read(entry.path()).unwrap();
            let value: Value = serde_json::from_slice(&text).unwrap();
            if value.get("schema_version").is_some() {
                records.push(value);
            }
        }
    }
    records
}

/// Where each string stands, as a JSON pointer; places that differ by an index alone are one kind.
fn strings(value: &Value, pointer: &str, kind: &str, found: &mut BTreeMap<String, Vec<String>>) {
    let key = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::String(_) => found.entry(kind.to_owned()).or_default().push(pointer.to_owned()),
        Value::Array(values) => {
            for (place, value) in values.iter().enumerate() {
                strings(value, &format!("{pointer}/{place}"), &format!("{kind}/*"), found);
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                strings(
                    value,
                    &format!("{pointer}/{}", key(name)),
                    &format!("{kind}/{}", key(name)),
                    found,
                );
            }
        }
        _ => {}
    }
}

/// `value` with every string poisoned that may be any string; and how many kinds of place those are.
fn poisoned(value: &Value) -> (Record, usize) {
    let poison = |value: &Value, pointers: &[String]| {
        let mut value = value.clone();
        for pointer in pointers {
            if let Some(Value::String(text)) = value.pointer_mut(pointer) {
                text.push_str(POISON);
            }
        }
        value
    };
    let current = crate::record::to_current(value.clone()).unwrap();
    let takes =
        |pointers: &&Vec<String>| serde_json::from_value::<Record>(poison(&current, pointers)).is_ok();
    let mut found = BTreeMap::new();
    strings(&current, "", "", &mut found);
    let chosen: Vec<&Vec<String>> = found.values().filter(takes).collect();
    let all: Vec<String> = chosen.iter().flat_map(|pointers| (*pointers).clone()).collect();
    (
        serde_json::from_value(poison(&current, &all)).unwrap(),
        chosen.len(),
    )
}

fn sound(form: &str, text: &str) {
    let hidden: BTreeSet<char> = text
        .chars()
        .filter(|c| !text::is_visible(&c.to_string()) && !matches!(c, '\n'))
        .collect();
    assert!(hidden.is_empty(), "{form}: {hidden:?}");
    let plain = ["terminal", "CSV", "comparison"].contains(&form);
    assert!(plain || !text.contains("<b onclick"), "{form}: markup");
    let forged = text.lines().find(|line| line.trim_start().starts_with("FORGED"));
    assert_eq!(forged, None, "{form}: a line from outside");
}

#[test]
fn nothing_hidden_reaches_any_format() {
    let mut kinds = 0;
    for value in records() {
        let (record, poisoned) = poisoned(&value);
        kinds += poisoned;
        sound("terminal", &table::render(&record));
        let markdown = markdown::render(&record, Some(&answer::general(&record)));
        sound("Markdown", &markdown);
        assert!(!markdown.replace("\\]", "").contains("]("), "a link in Markdown");
        sound("CSV", &csv::render(&record).unwrap());
        sound(
            "page",
            &html::page(&record, &answer::general(&record), &[]).unwrap(),
        );
        let mut pages = Pages::default();
        pages.add(&format!("name{POISON}"), &record).unwrap();
        pages.add("other", &record).unwrap();
        sound("pages", &pages.finish());
        for kind in ChartKind::ALL {
            let Ok(svg) = chart::draw(kind, &record, &[]) else {
                continue;
            };
            sound("SVG", &svg);
            #[cfg(feature = "png")]
            assert!(
                super::png::render(&svg).unwrap().starts_with(b"\x89PNG"),
                "{kind:?} is no XML"
            );
        }
        if record.sources.len() == 2 {
            sound("comparison", &comparison::render(&record));
        }
        for sentence in tenants::sentences(&record) {
            sound("terminal", &sentence);
        }
        if let Some(tune) = &record.tune {
            sound("terminal", &tuned::sentence(&record, tune));
        }
        if let Some(found) = &record.fleet {
            sound("terminal", &fleet::sentence(found));
        }
    }
    // Names, labels, models, reasons, remarks, versions and more.
    assert!(kinds > 200, "only {kinds} kinds of string were poisoned");
}
