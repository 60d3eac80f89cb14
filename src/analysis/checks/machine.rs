//! Checks of what the machine did meanwhile: others' load, stolen time, quotas.

use super::{check, outcome, unknown};
use crate::record::{
    Block, Check, Conditions,
    limits::{FOREIGN, STOLEN, THROTTLED},
};

/// The sum of a condition over all blocks; `None` where one block does not have it.
fn sum(blocks: &[Block], of: fn(&Conditions) -> Option<f64>) -> Option<f64> {
    let sum = blocks
        .iter()
        .map(|block| of(&block.conditions))
        .sum::<Option<f64>>();
    sum.filter(|_| !blocks.is_empty())
}

/// The kernel samples what cores do, in hundredths of a second: a limit below so much counted time is chance.
const COUNTABLE_SECONDS: f64 = 0.3;

fn share(id: &str, seconds: f64, counted: Option<f64>, limit: f64, advice: &str) -> Check {
    match counted {
        Some(_) if seconds * limit < COUNTABLE_SECONDS => unknown(id, "too little was measured to count it"),
        Some(counted) => check(
            id,
            outcome(counted <= limit * seconds),
            format!("{:.1} %", counted / seconds * 100.0),
            advice,
        ),
        None => unknown(id, "this machine does not show it"),
    }
}

/// What others did with the host cores, of which there are `cores`. What the kernel counts in hundredths of a second
/// may seem a little less than the worker's own time, and is then none.
pub fn foreign_load(blocks: &[Block], cores: usize) -> Check {
    let seconds = blocks.iter().map(|block| block.seconds).sum::<f64>() * cores as f64;
    let others = sum(blocks, |c| c.busy_seconds)
        .zip(sum(blocks, |c| c.own_cpu_seconds))
        .map(|(busy, own)| (busy - own).max(0.0));
    share(
        "foreign-load",
        seconds,
        others,
        FOREIGN,
        "other processes used the host cores: measure when the machine is quiet, or give --host-cores that nobody else has",
    )
}

/// What the hypervisor gave to others.
pub fn steal(blocks: &[Block], cores: usize) -> Check {
    let seconds = blocks.iter().map(|block| block.seconds).sum::<f64>() * cores as f64;
    share(
        "steal",
        seconds,
        sum(blocks, |c| c.stolen_seconds),
        STOLEN,
        "this instance's cores are shared with others: use one with cores of its own, or measure when they are quiet",
    )
}

/// What a processor quota took, of a worker of so many threads.
pub fn throttled(blocks: &[Block], threads: usize) -> Check {
    let seconds = blocks.iter().map(|block| block.seconds).sum::<f64>() * threads as f64;
    share(
        "throttled",
        seconds,
        sum(blocks, |c| c.throttled_seconds),
        THROTTLED,
        "a processor quota stopped the worker: give it fewer threads and streams than the quota's cores, or no quota",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::figures::tests::block, record::Outcome};

    fn blocks(conditions: Conditions) -> Vec<Block> {
        let mut block = block(0, 0, 10.0, 1);
        block.conditions = conditions;
        vec![block.clone(), block]
    }

    #[test]
    fn others_are_what_is_busy_less_the_worker() {
        let load = |busy, own| {
            foreign_load(
                &blocks(Conditions {
                    busy_seconds: busy,
                    own_cpu_seconds: own,
                    ..Conditions::default()
                }),
                2,
            )
        };
        assert_eq!(load(Some(12.0), Some(10.0)).observed, "10.0 %");
        assert_eq!(load(Some(12.0), Some(10.0)).outcome, Outcome::Failed);
        assert_eq!(load(Some(10.5), Some(10.0)).outcome, Outcome::Passed);
        assert_eq!(load(Some(9.9), Some(10.0)).outcome, Outcome::Passed);
        assert_eq!(load(None, Some(10.0)).outcome, Outcome::Unknown);
        let short = block(0, 0, 1.0, 1);
        assert_eq!(foreign_load(&[short], 2).outcome, Outcome::Unknown);
    }

    #[test]
    fn stolen_and_throttled_are_shares() {
        let conditions = Conditions {
            stolen_seconds: Some(0.6),
            throttled_seconds: Some(0.05),
            ..Conditions::default()
        };
        assert_eq!(steal(&blocks(conditions), 2).outcome, Outcome::Failed);
        assert_eq!(throttled(&blocks(conditions), 2).outcome, Outcome::Passed);
        assert_eq!(steal(&[], 2).outcome, Outcome::Unknown);
    }
}
