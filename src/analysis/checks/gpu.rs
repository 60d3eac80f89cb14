//! Checks of the GPU that an arm ran on: what slowed it down, and who else used it.

use super::{check, outcome, unknown};
use crate::record::{Block, Check, Gpu, GpuConditions, GpuMode};

/// Heat or the hardware's own protection slowed the GPU down. A power cap is the board's way of working: it is shown,
/// and fails nothing.
pub fn clock(blocks: &[Block]) -> Check {
    let share = |of: fn(&GpuConditions) -> Option<f64>| -> Option<f64> {
        let shares = blocks
            .iter()
            .map(|block| block.conditions.gpu.as_ref().and_then(of))
            .collect::<Option<Vec<f64>>>()?;
        shares.into_iter().reduce(f64::max)
    };
    let Some(slowed) = share(|gpu| gpu.slowed_share) else {
        return unknown("gpu-clock", "the driver does not show what slows the GPU down");
    };
    let capped = share(|gpu| gpu.power_capped_share).unwrap_or(0.0);
    check(
        "gpu-clock",
        outcome(slowed <= 0.0),
        format!(
            "slowed down in {:.0} % of the samples of the worst block, at its power cap in {:.0} %",
            slowed * 100.0,
            capped * 100.0
        ),
        "cool the machine, or measure shorter with rests in between",
    )
}

/// Whether no other process computed on the GPU when the study began.
pub fn co_tenants(gpu: &Gpu) -> Check {
    if gpu.mode.is_some_and(GpuMode::is_vgpu) {
        return unknown(
            "co-tenants",
            "uncontended as far as this guest sees: the board's other vGPUs and its scheduler belong to the host",
        );
    }
    match &gpu.co_tenants {
        None => unknown(
            "co-tenants",
            gpu.unavailable
                .get("co_tenants")
                .map_or("the driver does not show it", String::as_str),
        ),
        Some(others) => check(
            "co-tenants",
            outcome(others.is_empty()),
            match others.len() {
                0 => "no other process".to_owned(),
                1 => "1 other process".to_owned(),
                count => format!("{count} other processes"),
            },
            "other processes use the GPU: end them, or measure when it is free",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::figures::tests::block,
        record::{CoTenant, Outcome},
    };

    fn slowed(share: Option<f64>) -> Block {
        let mut block = block(0, 0, 1.0, 1);
        block.conditions.gpu = Some(GpuConditions {
            slowed_share: share,
            ..GpuConditions::default()
        });
        block
    }

    #[test]
    fn one_slow_block_is_enough() {
        assert_eq!(
            clock(&[slowed(Some(0.0)), slowed(Some(0.5))]).outcome,
            Outcome::Failed
        );
        assert_eq!(clock(&[slowed(Some(0.0))]).outcome, Outcome::Passed);
        assert_eq!(
            clock(&[slowed(Some(0.0)), slowed(None)]).outcome,
            Outcome::Unknown
        );
        assert_eq!(clock(&[]).outcome, Outcome::Unknown);
    }

    #[test]
    fn other_tenants_of_a_vgpu_are_never_ruled_out() {
        let gpu = |mode, co_tenants| Gpu {
            mode: Some(mode),
            co_tenants,
            ..Gpu::default()
        };
        let other = CoTenant {
            pid: 7,
            memory_bytes: None,
        };
        let of = |mode, list| co_tenants(&gpu(mode, list)).outcome;
        assert_eq!(of(GpuMode::Vgpu, Some(Vec::new())), Outcome::Unknown);
        assert_eq!(of(GpuMode::Physical, Some(Vec::new())), Outcome::Passed);
        assert_eq!(of(GpuMode::Physical, Some(vec![other])), Outcome::Failed);
        assert_eq!(of(GpuMode::Mig, None), Outcome::Unknown);
    }
}
