//! Options that choose one of the program's own values: the name of each value and its help.

use clap::{ValueEnum, builder::PossibleValue};

use crate::{
    model::derived::Target,
    record::{Hint, Scenario},
    report::chart,
};

impl ValueEnum for Scenario {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Offline, Self::SingleStream, Self::MultiStream, Self::Server]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(choice(match self {
            Self::Offline => (
                "offline",
                "All photos are available from the start: images per second",
            ),
            Self::SingleStream => ("single-stream", "One photo after the other: the time of one"),
            Self::MultiStream => ("multi-stream", "Eight photos at a time: the time of all eight"),
            Self::Server => (
                "server",
                "Photos arrive at random: the highest rate that meets the latency bound",
            ),
        }))
    }
}

impl ValueEnum for Hint {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Throughput, Self::Latency]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(choice(match self {
            Self::Throughput => (
                "throughput",
                "Most images per second, all photos available from the start",
            ),
            Self::Latency => ("latency", "Shortest time of a photo, one after the other"),
        }))
    }
}

impl ValueEnum for Target {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Fp16 => "16-bit floats inside, 32-bit floats at inputs and outputs",
            Self::Int8 => "8-bit integers where they make it faster, 32-bit floats at inputs and outputs",
        };
        Some(choice((self.name(), help)))
    }
}

impl ValueEnum for chart::ChartKind {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(choice(match self {
            Self::Throughput => ("throughput", "Images per second of each arm"),
            Self::Latency => ("latency", "Latency by percentile"),
            Self::Stages => ("stages", "Where the time of a photo goes"),
            Self::Time => (
                "time",
                "Images per second of each block, in the order of measurement",
            ),
            Self::Curve => ("curve", "Latency against images per second"),
            Self::Scaling => ("scaling", "Images per second against streams"),
            Self::Tenants => ("tenants", "Tenants of one device against their number"),
        }))
    }
}

fn choice((word, help): (&'static str, &'static str)) -> PossibleValue {
    PossibleValue::new(word).help(help)
}
