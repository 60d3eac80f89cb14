//! What a study is to measure, as a plain value: the command line's arguments end here, and the machine has not been
//! looked at yet.

use std::{path::PathBuf, time::Duration};

use super::Failure;
use crate::{
    cli::{
        MeasureArgs, NetworkArgs, OutputArgs, RunArgs, SampleArgs, WorkloadArgs, WorkloadName,
        values::ArmPrice,
    },
    dataset::Shard,
    model::{InputChoice, network::NetworkName},
    record::{LatencyBound, Scenario},
    report::Format,
    runtime::spec::BackendSpec,
    vision::encoded::Limits,
};

/// How many processes and blocks a study has, and how long they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Minimum time of a block.
    pub duration: Duration,
    /// Minimum warm-up of each process.
    pub warmup: Duration,
    /// Processes of each arm.
    pub processes: usize,
    /// Blocks of each process.
    pub blocks: usize,
}

impl Layout {
    /// What `run` does by default.
    pub const STANDARD: Self = Self {
        duration: Duration::from_secs(3),
        warmup: Duration::from_secs(2),
        processes: 6,
        blocks: 2,
    };
    /// With `--quick`.
    const QUICK: Self = Self {
        duration: Duration::from_secs(1),
        warmup: Duration::from_millis(500),
        processes: 3,
        blocks: 1,
    };
    /// Of the server scenario, where each process searches the highest rate for itself.
    const SERVER: Self = Self {
        processes: 3,
        ..Self::STANDARD
    };
}

/// The networks, and how photos are read for them.
#[derive(Debug, Clone, Default)]
pub struct NetworkRequest {
    /// The detector; `None` for the one in the program.
    pub detector: Option<NetworkName>,
    /// The recognizer; `None` likewise.
    pub recognizer: Option<NetworkName>,
    /// What is said of the detector's input.
    pub detector_input: InputChoice,
    /// What is said of the recognizer's.
    pub recognizer_input: InputChoice,
    /// Lowest score of a face; `None` for the detector's own.
    pub score: Option<f32>,
    /// Largest photo.
    pub limits: Limits,
    /// Whether a photo that cannot be read ends the command.
    pub strict: bool,
}

/// Photos and networks.
#[derive(Debug, Clone, Default)]
pub struct WorkloadRequest {
    /// A folder or file of photos; `None` for the demo's.
    pub input: Option<PathBuf>,
    /// The networks.
    pub networks: NetworkRequest,
}

/// Where the results go.
#[derive(Debug, Clone, Default)]
pub struct OutputRequest {
    /// Name of the study.
    pub name: Option<String>,
    /// File of the record; `None` for a new one.
    pub record: Option<PathBuf>,
    /// What a new file of the record is called, unless its name is taken; `None` for one named after the time and the
    /// study.
    pub new_record: Option<PathBuf>,
    /// Whether the file of the record has the beginning of this very study.
    pub continues: bool,
    /// Endings of files that will be written beside a new record.
    pub beside: &'static [&'static str],
    /// Other files, in the format of their option, whatever their names end in.
    pub exports: Vec<(Format, PathBuf)>,
}

/// A study to be made.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one yes or no of the user's"
)]
pub struct StudyRequest {
    /// One arm each.
    pub backends: Vec<BackendSpec>,
    /// Photos and networks.
    pub workload: WorkloadRequest,
    /// How photos arrive.
    pub scenario: Scenario,
    /// Photos per second that arrive in the server scenario; `None` to search the highest rate.
    pub request_rate: Option<f64>,
    /// Whether one arm is measured against itself.
    pub noise_floor: bool,
    /// Whether each stage is measured alone too.
    pub ceiling: bool,
    /// Whether the throughput-latency curve is measured.
    pub curve: bool,
    /// How long.
    pub layout: Layout,
    /// Whether the record is marked as a first look.
    pub quick: bool,
    /// Seed for the order of arms and the sample of photos; `None` for a random one.
    pub seed: Option<u64>,
    /// The latency to meet.
    pub bound: LatencyBound,
    /// Prices of an hour.
    pub prices: Vec<ArmPrice>,
    /// Host cores that arms may use; `None` for all.
    pub host_cores: Option<Vec<usize>>,
    /// Whether arms that cannot run are left out.
    pub keep_going: bool,
    /// Longest silence of a worker.
    pub patience: Duration,
    /// Number of photos in the random sample; `None` for all photos.
    pub sample: Option<usize>,
    /// The part of the photos that is measured; `None` for all.
    pub shard: Option<Shard>,
    /// Bytes of encoded photos that a worker may hold in memory.
    pub preload_bytes: u64,
    /// Whether the plan is printed and nothing is measured.
    pub dry_run: bool,
    /// Where the results go.
    pub output: OutputRequest,
}

impl StudyRequest {
    /// A study of `backends`, with `standard` for what `measure` leaves open.
    pub fn new(
        mut backends: Vec<BackendSpec>,
        workload: WorkloadRequest,
        scenario: Scenario,
        standard: Layout,
        measure: MeasureArgs,
    ) -> Self {
        let default = match scenario {
            _ if measure.quick => Layout::QUICK,
            Scenario::Server => Layout::SERVER,
            _ => standard,
        };
        let SampleArgs {
            photos,
            shard,
            decode,
            preload,
        } = measure.sample;
        for spec in backends.iter_mut().filter(|spec| spec.backend().takes("decode")) {
            spec.decode = spec.decode.or(decode);
        }
        Self {
            backends,
            workload,
            scenario,
            request_rate: None,
            noise_floor: false,
            ceiling: false,
            curve: !measure.no_curve && !measure.quick,
            layout: Layout {
                duration: measure.duration.unwrap_or(default.duration),
                warmup: measure.warmup.unwrap_or(default.warmup),
                processes: measure.processes.unwrap_or(default.processes),
                blocks: measure.blocks.unwrap_or(default.blocks),
            },
            quick: measure.quick,
            seed: measure.seed,
            bound: measure.latency_bound,
            prices: measure.price_per_hour,
            host_cores: measure.host_cores.map(|list| list.0),
            keep_going: measure.keep_going,
            patience: measure.patience,
            sample: photos,
            shard,
            preload_bytes: preload.0,
            dry_run: measure.dry_run,
            output: measure.output.into(),
        }
    }

    /// What `run` is asked for.
    pub fn of_run(args: RunArgs) -> Result<Self, Failure> {
        let mut backends = args.backends;
        if args.request_rate.is_some() && args.scenario != Scenario::Server {
            return Err(Failure::Usage(
                "--request-rate: photos arrive at a rate only with --scenario server".to_owned(),
            ));
        }
        if args.noise_floor {
            let [backend] = &backends[..] else {
                return Err(Failure::Usage(
                    "--noise-floor: measures one arm against itself; give one -b".to_owned(),
                ));
            };
            backends.push(backend.clone());
        }
        Ok(Self {
            request_rate: args.request_rate,
            noise_floor: args.noise_floor,
            ceiling: args.ceiling,
            ..Self::new(
                backends,
                args.workload.into(),
                args.scenario,
                Layout::STANDARD,
                args.measure,
            )
        })
    }

    /// Seed of the sample of photos in a study whose own is `seed`: machines that measure shards of one sample must all
    /// draw the same.
    pub fn sample_seed(&self, seed: u64) -> u64 {
        match (self.shard, self.seed) {
            (Some(_), None) => 0,
            _ => seed,
        }
    }
}

impl From<NetworkArgs> for NetworkRequest {
    fn from(args: NetworkArgs) -> Self {
        Self {
            detector: args.detector,
            recognizer: args.recognizer,
            detector_input: InputChoice {
                canvas: args.canvas,
                ..args.detector_input.unwrap_or_default()
            },
            recognizer_input: args.recognizer_input.unwrap_or_default(),
            score: args.score,
            limits: Limits {
                max_pixels: args.max_megapixels * 1_000_000,
            },
            strict: args.strict,
        }
    }
}

impl From<WorkloadArgs> for WorkloadRequest {
    fn from(args: WorkloadArgs) -> Self {
        let WorkloadName::Demo = args.workload;
        Self {
            input: args.input,
            networks: args.networks.into(),
        }
    }
}

impl From<OutputArgs> for OutputRequest {
    fn from(args: OutputArgs) -> Self {
        let exports = [
            (Format::Csv, args.export_csv),
            (Format::Markdown, args.export_markdown),
            (Format::Html, args.export_html),
        ];
        Self {
            name: args.name,
            record: args.output,
            new_record: None,
            continues: false,
            beside: &[],
            exports: exports
                .into_iter()
                .filter_map(|(format, path)| Some((format, path?)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        runtime::options::Decoding,
    };

    fn request(arguments: &str) -> Result<StudyRequest, Failure> {
        let arguments = format!("facebench run {arguments}");
        match Cli::parse_from(arguments.split_whitespace()).command {
            Command::Run(args) => StudyRequest::of_run(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_layout_depends_on_the_scenario_and_on_quick_and_options_go_first() {
        let layout = |arguments: &str| request(arguments).unwrap().layout;
        assert_eq!(layout(""), Layout::STANDARD);
        assert_eq!(layout("--scenario server"), Layout::SERVER);
        assert_eq!(layout("--scenario server --quick"), Layout::QUICK);
        let longer = Layout {
            duration: Duration::from_secs(7),
            processes: 9,
            ..Layout::QUICK
        };
        assert_eq!(layout("--quick --processes 9 -d 7s"), longer);
        assert!(request("").unwrap().curve && !request("--quick").unwrap().curve);
    }

    #[test]
    fn machines_that_measure_shards_draw_the_same_sample() {
        let seed = |arguments: &str| request(arguments).unwrap().sample_seed(77);
        assert_eq!(seed("--photos 5"), 77);
        assert_eq!(seed("--photos 5 --shard 0/2"), 0);
        assert_eq!(seed("--photos 5 --shard 0/2 --seed 77"), 77);
    }

    #[test]
    fn the_option_decode_is_for_arms_that_decode() {
        let backends = request("-b cpu -b null --decode full").unwrap().backends;
        let decode: Vec<_> = backends.iter().map(|spec| spec.decode).collect();
        assert_eq!(decode, [Some(Decoding::Full), None]);
    }

    #[test]
    fn an_arm_against_itself_is_one_backend() {
        let backends = request("--noise-floor -b null").unwrap().backends;
        assert_eq!(backends.len(), 2);
        assert!(matches!(
            request("--noise-floor -b null -b cpu"),
            Err(Failure::Usage(_))
        ));
        assert!(matches!(request("--request-rate 5"), Err(Failure::Usage(_))));
    }
}
