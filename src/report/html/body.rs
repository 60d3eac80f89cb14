//! One record's part of a page: the answer, the first screen, then section by section what is behind it.

use std::fmt::Write;

use super::super::{
    chart::ChartError,
    content::{
        arms, blocks, ceiling, checks, comparisons, curve, fleet, latency, machine, made, quality, remarks,
        search, setup, sources, stages, strata, tenants, tune, witness,
    },
    grid::{Grid, blocks_anchor},
    published::Published,
    words::headline,
};
use super::{
    decide, figures,
    markup::{Links, escape, percent},
};
use crate::record::Record;

/// All of it.
pub(super) fn write(
    text: &mut String,
    record: &Record,
    answer: &str,
    published: &[Published],
    links: &Links,
) -> Result<(), ChartError> {
    let prefix = &links.prefix;
    let _ = writeln!(
        text,
        "<p class=\"answer\">{}</p>\n<p class=\"quiet\"><a href=\"#{prefix}made\">{}</a></p>",
        escape(answer),
        escape(&headline(record))
    );
    decide::write(text, record, links);
    let sections = sections(record);
    contents(text, links, &sections);
    figures::write(text, record, published, links)?;
    for (id, grid) in &sections {
        links.heading(text, id, grid.title);
        links.table(text, grid);
        if *id == "arms" {
            remarks(text, record, links);
        }
    }
    raw(text, record, links);
    download(text, record, links);
    Ok(())
}

/// The tables, in their order.
fn sections(record: &Record) -> Vec<(&'static str, Grid)> {
    let all = [
        ("arms", Some(arms::grid(record))),
        ("tenants", tenants::grid(record)),
        ("fleet", fleet::grid(record)),
        ("sources", sources::grid(record)),
        ("witness", witness::grid(record)),
        ("comparisons", comparisons::grid(record)),
        ("curve", curve::grid(record)),
        ("search", search::grid(record)),
        ("latency", latency::grid(record)),
        ("stages", stages::grid(record)),
        ("ceiling", ceiling::grid(record)),
        ("strata", strata::grid(record)),
        ("tune", tune::grid(record)),
        ("answers", quality::grid(record)),
        ("checks", checks::grid(record)),
        ("ran", Some(setup::ran(record))),
        ("taken", Some(setup::taken(record))),
        ("machine", Some(machine::grid(record))),
        ("made", Some(made::grid(record))),
    ];
    all.into_iter()
        .filter_map(|(id, grid)| Some((id, grid?)))
        .filter(|(_, grid)| !grid.rows.is_empty())
        .collect()
}

fn contents(text: &mut String, links: &Links, sections: &[(&'static str, Grid)]) {
    let prefix = &links.prefix;
    let mut entries = vec![format!("<a href=\"#{prefix}charts\">Charts</a>")];
    entries.extend(
        sections
            .iter()
            .map(|(id, grid)| format!("<a href=\"#{prefix}{id}\">{}</a>", escape(grid.title))),
    );
    entries.push(format!("<a href=\"#{prefix}blocks\">Raw blocks</a>"));
    entries.push("<a href=\"#rules\">Rules</a>".to_owned());
    let _ = writeln!(text, "<nav>{}</nav>", entries.join(" "));
}

fn remarks(text: &mut String, record: &Record, links: &Links) {
    links.heading(text, "remarks", "Remarks");
    let remarks = remarks::list(record);
    if remarks.is_empty() {
        text.push_str("<p>None: every check passed, and nothing was left out.</p>\n");
        return;
    }
    text.push_str("<ul>\n");
    for remark in remarks {
        let _ = write!(text, "<li>{}", escape(&remark.text));
        for detail in remark.details {
            let _ = write!(text, "<div class=\"quiet\">{}</div>", escape(&detail));
        }
        text.push_str("</li>\n");
    }
    text.push_str("</ul>\n");
}

fn raw(text: &mut String, record: &Record, links: &Links) {
    links.heading(text, "blocks", "Raw blocks");
    for (place, arm) in record.arms.iter().enumerate() {
        let Some(grid) = blocks::grid(arm) else { continue };
        let _ = writeln!(
            text,
            "<details id=\"{}{}\"><summary>{}: {} blocks</summary>",
            links.prefix,
            blocks_anchor(place),
            escape(&arm.label),
            arm.blocks.len()
        );
        links.table(text, &grid);
        text.push_str("</details>\n");
    }
}

fn download(text: &mut String, record: &Record, links: &Links) {
    links.heading(text, "record", "Record");
    let json = serde_json::to_string(record).unwrap_or_default();
    let _ = writeln!(
        text,
        "<p><a download=\"{id}.json\" href=\"data:application/json;charset=utf-8,{data}\">The whole record, \
         {id}.json</a>: every raw block, so that each figure here can be computed again.</p>",
        id = escape(&record.id),
        data = percent(&json)
    );
}
