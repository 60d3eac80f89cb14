//! `facebench run --resume RECORD`: the study of an unfinished record, measured to its end under the same plan.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::Failure;
use crate::{
    cli::{Cli, Command, RunArgs},
    record::{Arm, Host, Record, Resumption},
    report::read,
    study::plan::Plan,
    text::ShownPath,
};

/// A study that was ended before its time.
pub struct Earlier {
    path: PathBuf,
    record: Record,
}

impl Earlier {
    /// The unfinished study in the record at `path`.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let record = read(path)?;
        let earlier = Self {
            path: path.to_path_buf(),
            record,
        };
        let measured = earlier.record.tool.argv.get(1).map(String::as_str) == Some("run");
        if !measured || !earlier.record.sources.is_empty() {
            return Err(earlier.refused("it is no record of facebench run: only these can be resumed"));
        }
        if !earlier.record.interrupted {
            return Err(earlier.refused("the study came to its end: there is nothing left to measure"));
        }
        Ok(earlier)
    }

    /// The arguments of the study: those of its record, unless others are `given` beside --resume, which must then come to
    /// the same plan.
    pub fn arguments(&self, given: RunArgs, argv: &[String]) -> Result<RunArgs, Failure> {
        let args = if is_alone(argv) {
            match Cli::try_parse_from(&self.record.tool.argv).map(|cli| cli.command) {
                Ok(Command::Run(args)) => *args,
                _ => {
                    return Err(self.refused(
                        "this facebench does not understand its command line: give the options of the study beside --resume",
                    ));
                }
            }
        } else {
            given
        };
        let mut args = args;
        args.measure.output.output = Some(self.path.clone());
        args.measure.seed = Some(self.record.tool.seed);
        if args.noise_floor {
            return Err(self.refused("a noise floor is measured in one go"));
        }
        Ok(args)
    }

    /// `record`, of the same study before anything is measured, with what was measured earlier. An error where the plan, the
    /// program or the machine is another one.
    pub fn continued(self, record: Record, plan: &Plan) -> Result<Record, Failure> {
        let differences = self.differences(&record, plan);
        if !differences.is_empty() {
            return Err(self.refused(&format!(
                "not all is as it was: {}; measure it anew",
                differences.join("; ")
            )));
        }
        let Record {
            id,
            name,
            created_at,
            tool,
            workload,
            mut resumed,
            arms,
            ..
        } = self.record;
        resumed.push(Resumption {
            at: jiff::Timestamp::now().to_string(),
            blocks: arms.iter().map(|arm| arm.blocks.len()).sum(),
        });
        Ok(Record {
            id,
            name,
            created_at,
            tool,
            workload,
            resumed,
            arms,
            ..record
        })
    }

    /// What is not as it was.
    fn differences(&self, record: &Record, plan: &Plan) -> Vec<String> {
        let old = &self.record;
        let mut list = Vec::new();
        let mut note = |what: &str, before: String, now: String| {
            if before != now {
                list.push(format!("{what}: {before} before, {now} now"));
            }
        };
        let program = |record: &Record| {
            let commit = record.tool.commit.as_deref().unwrap_or("no known commit");
            format!("{} ({commit})", record.tool.version)
        };
        note("facebench", program(old), program(record));
        let machine = |host: &Host| {
            let cpu = host.cpu.model.as_deref().unwrap_or("unknown");
            let memory = host.memory.total_bytes.map_or(0, |bytes| bytes >> 30);
            let kernel = host.kernel.as_deref().unwrap_or("unknown");
            format!(
                "{cpu}, {} cores, {memory} GiB, kernel {kernel}",
                host.cpu.cores.unwrap_or(0)
            )
        };
        note("the machine", machine(&old.host), machine(&record.host));
        let gpus = |record: &Record| {
            let names = record.gpus.iter().map(|gpu| format!("{:?}", gpu.uuid));
            names.collect::<Vec<_>>().join(", ")
        };
        note("the GPUs", gpus(old), gpus(record));
        let layout = |record: &Record| {
            let plan = &record.plan;
            format!(
                "{} processes of {} blocks of {} s after {} s, on cores {:?}, rate {:?}, bound {:?}{}",
                plan.processes,
                plan.blocks,
                plan.block_seconds,
                plan.warmup_seconds,
                plan.host_core_list,
                plan.request_rate,
                plan.latency_bound,
                if record.quick { ", quick" } else { "" }
            )
        };
        note("the plan", layout(old), layout(record));
        note(
            "the scenario",
            format!("{:?}", old.workload.scenario),
            format!("{:?}", record.workload.scenario),
        );
        let of_arm = |label: &str, requested: &str, sizes: [usize; 3]| {
            let [streams, threads, batch] = sizes;
            format!("{label} = {requested}: {streams} streams of {threads} threads, batch {batch}")
        };
        let before = |arm: &Arm| {
            of_arm(
                &arm.label,
                &arm.backend.requested,
                [arm.streams, arm.threads, arm.batch],
            )
        };
        let before: Vec<String> = old.arms.iter().map(before).collect();
        let now = plan.arms.iter().map(|arm| {
            of_arm(
                &arm.label,
                &arm.spec.requested,
                [arm.streams, arm.threads, arm.batch],
            )
        });
        let now: Vec<String> = now.collect();
        // One that was ended before its check passes has no arms yet.
        if !before.is_empty() {
            note("the arms", before.join(", "), now.join(", "));
        }
        list
    }

    fn refused(&self, why: &str) -> Failure {
        Failure::Usage(format!("--resume {}: {why}", self.path.shown()))
    }
}

/// Whether `argv` has nothing but `run --resume RECORD`.
fn is_alone(argv: &[String]) -> bool {
    let mut rest = argv.iter().skip(2);
    match (rest.next().map(String::as_str), rest.next(), rest.next()) {
        (Some("--resume"), Some(_), None) => true,
        (Some(joined), None, None) => joined.starts_with("--resume="),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_options_are_seen() {
        let alone = |text: &str| {
            let argv: Vec<String> = text.split(' ').map(str::to_owned).collect();
            is_alone(&argv)
        };
        assert!(alone("facebench run --resume r.json") && alone("facebench run --resume=r.json"));
        assert!(!alone("facebench run --resume r.json -b cpu") && !alone("facebench run -b cpu"));
    }
}
