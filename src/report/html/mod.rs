//! Records as one HTML page: it loads nothing from elsewhere, has no script, and suits light, dark, narrow and wide screens.

mod body;
mod decide;
mod figures;
mod links;
mod rules;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{answer, chart::ChartError, published::Published, visible::visible};
use crate::{record::Record, text};

const STYLE: &str = include_str!("page.css");

/// The page of one record: `answer` first, then what is behind it.
pub fn page(record: &Record, answer: &str, published: &[Published]) -> Result<String, ChartError> {
    let part = body::part(record, answer, published, "")?;
    let record = &*visible(record);
    let name = record.name.as_ref().unwrap_or(&record.workload.dataset.name);
    Ok(whole(
        &format!("facebench: {name}"),
        &html! {
            header { h1 { "facebench" } }
            (part)
        },
    ))
}

/// The most records of one page. Each brings its charts, its tables and all of itself for download: 200 of
/// `results/reference-networks.json` make a page of 42 MB, in 2 s and 0.2 GB of memory, which browsers still open.
pub const MOST_RECORDS: usize = 200;

/// One page of several records. They are added one after the other, and none is held longer.
#[derive(Debug, Default)]
pub struct Pages {
    parts: Vec<(String, String, Markup)>,
}

impl Pages {
    /// Adds a part for `record`, under `name`.
    pub fn add(&mut self, name: &str, record: &Record) -> Result<(), ChartError> {
        let answer = answer::general(record);
        let prefix = format!("r{}-", self.parts.len());
        let part = body::part(record, &answer, &[], &prefix)?;
        self.parts.push((text::visible(name).into_owned(), answer, part));
        Ok(())
    }

    /// The page.
    pub fn finish(self) -> String {
        pages(&self.parts)
    }
}

/// One page with a part for each name, answer and part of `parts`.
fn pages(parts: &[(String, String, Markup)]) -> String {
    let body = html! {
        header { h1 { "facebench" } }
        nav {
            ol.records {
                @for (place, (name, answer, _)) in parts.iter().enumerate() {
                    li { a href={ "#r" (place) } { (name) } ": " (answer) }
                }
                li { a href="#rules" { "Rules" } }
            }
        }
        @for (place, (name, _, part)) in parts.iter().enumerate() {
            section.record id={ "r" (place) } {
                h2.name { (name) }
                (part)
            }
        }
    };
    whole(&format!("facebench: {} records", parts.len()), &body)
}

fn whole(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (body)
                    (rules::section())
                }
            }
        }
    };
    // Whatever the places above let pass.
    text::visible_lines(&page.into_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{fixture, published::DEMO_2019, tests::record};
    use super::*;

    fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
        let begin = format!(" {attribute}=\"");
        page.split(begin.as_str())
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect()
    }

    fn sound(page: &str) {
        let ids = values(page, "id");
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "an id stands twice");
        for address in values(page, "href").into_iter().chain(values(page, "src")) {
            match address.strip_prefix('#') {
                Some(id) => assert!(distinct.contains(id), "#{id} leads nowhere"),
                None => assert!(address.starts_with("data:"), "{address:.60}"),
            }
        }
        for forbidden in ["<script", "<link", "@import", "url(http"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(!page.contains("<b>&\"quoted"), "markup in a label");
        for tag in [
            "table", "section", "details", "figure", "tr", "td", "div", "p", "a", "ul", "li", "dl", "dd",
        ] {
            let opened =
                page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "<{tag}>");
        }
    }

    #[test]
    fn links_lead_somewhere_and_nothing_is_asked_for() {
        let records = [
            fixture::full(),
            fixture::plain(),
            fixture::server(),
            fixture::merged(),
            fixture::tuned(),
        ];
        for json in &records {
            let record = record(json.clone());
            sound(&page(&record, "The answer.", &DEMO_2019).unwrap());
        }
        let mut all = Pages::default();
        for (place, json) in records.into_iter().enumerate() {
            all.add(&format!("{place}.json"), &record(json)).unwrap();
        }
        sound(&all.finish());
    }

    #[test]
    fn arms_without_any_figure_make_a_page_too() {
        let mut empty = record(fixture::full());
        for arm in &mut empty.arms {
            *arm = crate::record::Arm {
                label: arm.label.clone(),
                ..record(fixture::full()).arms[3].clone()
            };
        }
        empty.comparisons.clear();
        sound(&page(&empty, "", &[]).unwrap());
        empty.arms.clear();
        sound(&page(&empty, "", &[]).unwrap());
    }

    #[test]
    fn whoever_decides_finds_the_figures_first() {
        let page = page(&record(fixture::full()), "The answer.", &[]).unwrap();
        let first = page.split("id=\"charts\"").next().unwrap();
        for text in [
            "The answer.",
            "images/s at p99 &lt;= 100 ms",
            ">1830<",
            ">not held<",
            "12.4 x",
            "EUR a million images",
            "99.0 cores",
            "this virtual machine shows no clock",
            "never measured here",
        ] {
            assert!(
                first.contains(text),
                "{text}:\n{}",
                first.split("</style>").last().unwrap()
            );
        }
    }

    #[test]
    fn every_rule_is_explained() {
        let page = page(&record(fixture::plain()), "", &[]).unwrap();
        for rule in crate::record::RULES {
            assert!(page.contains(&format!("id=\"rule-{}\"", rule.id)), "{}", rule.id);
        }
    }
}
