//! `facebench size`: how many of each machine serve a load, from records.

use std::io::Write;

use super::{Failure, output::show};
use crate::{
    cli::SizeArgs,
    record::LatencyBound,
    report,
    sizing::{self, Load, Prices},
};

/// Shows the answer on `out`.
pub fn size(args: &SizeArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let prices = match &args.prices {
        None => Prices::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| Failure::Input {
                path: path.clone(),
                source,
                fix: "give a file of prices an hour (docs/size.md)",
            })?;
            Prices::parse(&text).map_err(|source| Failure::Prices {
                path: path.clone(),
                source,
            })?
        }
    };
    let records = args
        .records
        .iter()
        .map(|path| report::read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let load = Load {
        rate: args.rate,
        bound: LatencyBound {
            ms: args.p99.as_secs_f64() * 1e3,
            percentile: 99.0,
        },
        spare: args.spare,
    };
    let sizing = sizing::size(&records, &load, &prices);
    let text = if args.json {
        serde_json::to_string_pretty(&sizing).map_err(std::io::Error::other)? + "\n"
    } else {
        report::size::render(&sizing)
    };
    show(out, &text)?;
    Ok(())
}
