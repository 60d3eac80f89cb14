//! How a record was made: what to do again to get the same study.

use super::super::{
    format,
    grid::{Cell, Grid, Row, column},
};
use crate::record::{NetworkFacts, Record};

/// Command, program, seed, photos, networks, plan.
pub(in crate::report) fn grid(record: &Record) -> Grid {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, text: String| rows.push((name.to_owned(), text));
    row("record", record.id.clone());
    if let Some(name) = &record.name {
        row("name", name.clone());
    }
    let commit = |commit: &Option<String>| {
        commit.as_ref().map_or_else(
            || "commit unknown".to_owned(),
            |commit| format!("commit {commit}"),
        )
    };
    if record.sources.is_empty() {
        row("measured", record.created_at.clone());
        row("command", command(&record.tool.argv));
        let program = format!("{}, {}", record.tool.version, commit(&record.tool.commit));
        row("facebench", program);
        row("seed", record.tool.seed.to_string());
    }
    for source in &record.sources {
        let tool = &source.tool;
        row(
            &format!("study {}", super::sources::name(source)),
            format!(
                "{}; {}; facebench {}, {}; seed {}",
                source.created_at,
                command(&tool.argv),
                tool.version,
                commit(&tool.commit),
                tool.seed
            ),
        );
    }
    let (workload, plan) = (&record.workload, &record.plan);
    row("workload", format!("{}, {}", workload.name, workload.stage));
    row("photos", photos(record));
    let networks = [
        ("detector", &workload.detector),
        ("recognizer", &workload.recognizer),
    ];
    for (name, facts) in networks {
        row(name, facts.as_ref().map_or_else(|| "none".to_owned(), network));
    }
    row(
        "plan",
        format!(
            "{} processes x {} blocks of {} s or more, after {} s of warm-up each, on {} host cores",
            plan.processes, plan.blocks, plan.block_seconds, plan.warmup_seconds, plan.host_cores
        ),
    );
    let floor = plan.noise_floor.map_or_else(
        || "noise floor not measured".to_owned(),
        |floor| format!("noise floor {:.1} %", floor * 100.0),
    );
    row("margin", format!("{:.1} %, {floor}", plan.margin * 100.0));
    row("latency bound", format::bound(&plan.latency_bound));
    if let Some(rate) = plan.request_rate {
        row("queries a second", format::number(rate));
    }
    Grid {
        title: "How it was made",
        note: String::new(),
        columns: ["", ""].map(column).into(),
        rows: rows
            .into_iter()
            .map(|(name, text)| Row {
                anchor: None,
                cells: vec![Cell::plain(name), Cell::plain(text)],
            })
            .collect(),
    }
}

/// A command line, its arguments quoted where a shell would split them.
fn command(argv: &[String]) -> String {
    let quoted = argv.iter().map(|argument| {
        let plain = |c: char| c.is_alphanumeric() || "-_./=,:+@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn photos(record: &Record) -> String {
    let dataset = &record.workload.dataset;
    format!(
        "{}, {} of {:.1} MB, {}{}",
        dataset.name,
        dataset.images,
        dataset.bytes as f64 / 1e6,
        if dataset.preloaded {
            "held in memory"
        } else {
            "read from their files"
        },
        dataset
            .sha256
            .as_ref()
            .map_or_else(String::new, |hash| format!(", SHA-256 {hash}"))
    )
}

fn network(facts: &NetworkFacts) -> String {
    let mut text = facts.name.clone();
    if let Some([width, height]) = facts.input {
        text = format!("{text}, {width}x{height}");
    }
    if let Some(score) = facts.score_threshold {
        text = format!("{text}, score {score:.2} or more");
    }
    if let Some(feed) = &facts.feed {
        text = format!(
            "{text}, fed {} (pixel - {}) / {} ({})",
            feed.channels, feed.mean, feed.divisor, feed.source
        );
    }
    if let Some(output) = &facts.embedding_output {
        text = format!("{text}, embedding from its output {output}");
    }
    if let Some(license) = &facts.license {
        text = format!("{text}, {license}");
    }
    format!("{text}, SHA-256 {}", facts.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let argv = ["facebench", "-b", "a b", "it's", ""].map(str::to_owned);
        assert_eq!(command(&argv), r"facebench -b 'a b' 'it'\''s' ''");
    }
}
