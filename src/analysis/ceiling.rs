//! What an arm's stages allow, and the share of it that its blocks reach: from raw measurements alone.

use std::collections::BTreeMap;

use super::{figures, statistics};
use crate::record::{Block, Ceiling, CeilingRun, Stages};

/// What one process's stages allow, images a second.
struct Allowed {
    host: f64,
    device: Option<f64>,
    networks: f64,
}

/// The figures of `runs`; `None` where nothing was measured. `streams` are the arm's, `cores` the host cores that
/// decode for a device.
pub fn figures(runs: &[CeilingRun], blocks: &[Block], streams: usize, cores: usize) -> Option<Ceiling> {
    let speeds = figures::process_means(blocks, |block| block.images);
    let allowed: BTreeMap<usize, Allowed> = runs
        .iter()
        .filter(|run| run.images > 0)
        .map(|run| (run.process, allowed(run, streams, cores)))
        .collect();
    let estimate = |of: &dyn Fn(&Allowed) -> f64| {
        let values: Vec<f64> = allowed.values().map(of).collect();
        statistics::estimate(&values)
    };
    let limit = |allowed: &Allowed| allowed.device.unwrap_or(f64::INFINITY).min(allowed.host);
    let reached: Vec<f64> = allowed
        .iter()
        .filter_map(|(process, allowed)| Some(speeds.get(process)? / limit(allowed)))
        .collect();
    let by_device = allowed
        .values()
        .filter(|allowed| allowed.device.is_some_and(|device| device < allowed.host))
        .count();
    let images = runs.iter().map(|run| run.images).sum();
    let middle = |of: fn(&CeilingRun) -> f64| statistics::median(&runs.iter().map(of).collect::<Vec<_>>());
    Some(Ceiling {
        resource: if by_device * 2 > allowed.len() {
            "device".to_owned()
        } else {
            "host cores".to_owned()
        },
        images_per_second: estimate(&limit)?,
        reached: statistics::estimate(&reached)?,
        networks_images_per_second: estimate(&|allowed| allowed.networks)?,
        stages_ms: Stages::mean(runs.iter().map(|run| run.stage_seconds), images)?,
        detector_ms: middle(|run| run.detector_seconds)? * 1e3,
        recognizer_ms: middle(|run| run.recognizer_seconds)? * 1e3,
        harness_overhead: middle(|run| run.harness_overhead)?,
    })
}

fn allowed(run: &CeilingRun, streams: usize, cores: usize) -> Allowed {
    let images = run.images as f64;
    let faces = run.faces as f64 / images;
    let streams = streams as f64;
    let networks = streams / (run.detector_seconds + faces * run.recognizer_seconds);
    match run.pixel_seconds {
        // The networks run on a device while the host cores prepare what comes next.
        Some(pixels) => Allowed {
            host: cores as f64 * images / pixels,
            device: Some(networks),
            networks,
        },
        None => Allowed {
            host: streams * images / run.stage_seconds.total().0,
            device: None,
            networks,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Seconds;

    fn run(process: usize, pixel_seconds: Option<f64>) -> CeilingRun {
        CeilingRun {
            process,
            images: 100,
            faces: 300,
            stage_seconds: Stages::of([0.4, 1.0, 0.1, 0.4, 0.1].map(Seconds)),
            pixel_seconds,
            detector_seconds: 0.01,
            recognizer_seconds: 0.002,
            harness_overhead: 0.001,
        }
    }

    fn block(process: usize, images: usize) -> Block {
        Block {
            process,
            images,
            seconds: 1.0,
            ..crate::analysis::figures::tests::block(process, 0, 1.0, images)
        }
    }

    #[test]
    fn on_the_host_all_stages_share_the_cores() {
        let blocks = [block(0, 90), block(1, 90)];
        let ceiling = figures(&[run(0, None), run(1, None)], &blocks, 2, 2).unwrap();
        // 20 ms a photo on each of two streams.
        assert!((ceiling.images_per_second.median - 100.0).abs() < 1e-9);
        assert!((ceiling.reached.median - 0.9).abs() < 1e-9);
        assert!((ceiling.networks_images_per_second.median - 125.0).abs() < 1e-9);
        assert!((ceiling.stages_ms.detect.0 - 10.0).abs() < 1e-9);
        assert_eq!(ceiling.resource, "host cores");
        assert!(ceiling.reached.low.is_some());
    }

    #[test]
    fn beside_a_device_the_slower_of_both_decides() {
        let device = figures(&[run(0, Some(0.5))], &[block(0, 100)], 2, 2).unwrap();
        assert_eq!(device.resource, "device");
        assert!((device.images_per_second.median - 125.0).abs() < 1e-9);
        let host = figures(&[run(0, Some(4.0))], &[block(0, 40)], 2, 2).unwrap();
        assert_eq!(host.resource, "host cores");
        assert!(
            (host.images_per_second.median - 50.0).abs() < 1e-9 && (host.reached.median - 0.8).abs() < 1e-9
        );
        assert!(figures(&[], &[block(0, 40)], 2, 2).is_none());
    }
}
