//! The statistics compared with the truth: thousands of studies in simulated time, with `null`'s own jitter.

use facebench::{
    analysis::{
        comparisons::{Pair, Terms, compare},
        figures,
        statistics::{Difference, verdicts},
    },
    record::{Arm, Block, Comparison, Estimate, Verdict},
    runtime::spec::BackendSpec,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PROCESSES: usize = 6;
const BLOCKS: usize = 2;
const MARGIN: f64 = 0.02;
const TERMS: Terms = Terms {
    margin: MARGIN,
    quick: false,
    interrupted: false,
    comparable: true,
};

/// The blocks of an arm `null` with these options, without waiting for them.
fn blocks(spec: &str, random: &mut ChaCha8Rng) -> Vec<Block> {
    let null = spec.parse::<BackendSpec>().unwrap().null;
    (0..PROCESSES)
        .flat_map(|process| {
            let process_noise: f64 = random.random();
            let null = null.clone();
            (0..BLOCKS).map(move |number| {
                let images = 300;
                let seconds = null.delay_in(process_noise, number).as_secs_f64() * f64::from(images);
                let block = serde_json::json!({
                    "process": process, "block": number, "order": 0, "images": images, "faces": images,
                    "seconds": seconds,
                    "stage_seconds": {"decode": 0.0, "detect": 0.0, "align": 0.0, "embed": 0.0, "match": 0.0},
                    "strata": [], "service_us": [], "response_us": [], "scheduling_delay_us": [], "rate": None::<f64>,
                    "conditions": {},
                });
                serde_json::from_value(block).unwrap()
            })
        })
        .collect()
}

fn means(blocks: &[Block]) -> Vec<f64> {
    figures::process_means(blocks, |block| block.images)
        .into_values()
        .collect()
}

fn covers(estimate: &Estimate, truth: f64) -> bool {
    estimate.low.unwrap() <= truth && truth <= estimate.high.unwrap()
}

/// 2,000 studies: the 95 % intervals of images a second, of the paired and of the unpaired ratio cover the truth in
/// 93 to 97 %.
#[test]
fn intervals_cover_the_truth() {
    let mut random = ChaCha8Rng::seed_from_u64(2019);
    let (mut alone, mut paired, mut unpaired) = (0, 0, 0);
    for _ in 0..2000 {
        let base = blocks("null,delay=10ms,jitter=3%", &mut random);
        let other = blocks("null,delay=11ms,jitter=3%", &mut random);
        alone += usize::from(covers(&figures::images_per_second(&base).unwrap(), 100.0));
        let ratio = |difference: Option<Difference>| difference.unwrap().ratio();
        let truth = 10.0 / 11.0;
        paired += usize::from(covers(
            &ratio(Difference::paired(&means(&other), &means(&base))),
            truth,
        ));
        unpaired += usize::from(covers(
            &ratio(Difference::unpaired(&means(&other), &means(&base))),
            truth,
        ));
    }
    for count in [alone, paired, unpaired] {
        assert!(
            (1860..=1940).contains(&count),
            "{alone}, {paired} and {unpaired} of 2000"
        );
    }
}

/// 500 studies of an arm against itself, with a jitter of 3 % a process: at most 35 find a difference.
#[test]
fn an_arm_is_seldom_faster_than_itself() {
    let mut random = ChaCha8Rng::seed_from_u64(500);
    let mut wrong = 0;
    let mut wrong_without_margin = 0;
    for _ in 0..500 {
        let mut study = || blocks("null,delay=10ms,jitter=3%", &mut random);
        let (a, b) = (means(&study()), means(&study()));
        let found = |margin| verdicts(&[Difference::paired(&a, &b).unwrap()], margin)[0];
        let claims = |verdict| usize::from(matches!(verdict, Verdict::Faster | Verdict::Slower));
        wrong += claims(found(MARGIN));
        wrong_without_margin += claims(found(0.0));
    }
    assert!(wrong <= 35, "{wrong} of 500");
    // Without a margin the test has its nominal level; else it could pass by never claiming a difference.
    assert!(
        (10..=40).contains(&wrong_without_margin),
        "{wrong_without_margin} of 500"
    );
}

/// Five arms that are all alike: with Holm's correction the whole sweep claims a difference as seldom as one pair.
#[test]
fn a_sweep_claims_differences_as_seldom_as_a_pair() {
    let mut random = ChaCha8Rng::seed_from_u64(77);
    let sweeps = 400;
    let wrong = (0..sweeps)
        .filter(|_| {
            let all: Vec<Vec<f64>> = (0..6)
                .map(|_| means(&blocks("null,jitter=3%", &mut random)))
                .collect();
            let differences: Vec<Difference> = all[1..]
                .iter()
                .map(|arm| Difference::paired(arm, &all[0]).unwrap())
                .collect();
            verdicts(&differences, 0.0)
                .iter()
                .any(|verdict| matches!(verdict, Verdict::Faster | Verdict::Slower))
        })
        .count();
    assert!(wrong <= sweeps * 7 / 100, "{wrong} of {sweeps}");
}

/// A template of an arm, from a record that the schema test holds.
fn arm(label: &str, blocks: Vec<Block>, source: &str) -> Arm {
    let arm = serde_json::json!({
        "label": label, "source": source, "status": "valid", "precision": "fp32", "threads": 1, "streams": 1,
        "batch": 1, "backend": {"requested": "null", "options": {}}, "checks": [], "steady": [], "blocks": [],
        "curve": [], "trials": [], "energy": {"reason": ""}, "errors": [],
    });
    let mut arm: Arm = serde_json::from_value(arm).unwrap();
    arm.blocks = blocks;
    arm
}

fn pair(new: &str, old: &str, random: &mut ChaCha8Rng) -> Comparison {
    let (old, new) = (
        arm("a", blocks(old, random), "1"),
        arm("b", blocks(new, random), "2"),
    );
    let both = Pair {
        arm: &new,
        baseline: &old,
    };
    compare(&[both], TERMS).remove(0)
}

/// The gate of `compare --fail-on-regression 5%`, over two records each: an injected 8 % regression fires it, an A/A
/// pair does in at most 5 of 100 cases.
#[test]
fn the_gate_fires_on_a_slowdown_and_not_on_noise() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let fires = |comparison: &Comparison| facebench::commands::compare::regressed(comparison, 0.05);
    let same = "null,delay=10ms,jitter=1%";
    let alarms = (0..100).filter(|_| fires(&pair(same, same, &mut random))).count();
    assert!(alarms <= 5, "{alarms} false alarms of 100");
    // So noisy that the median alone would often fire the gate; the interval prevents that.
    let noisy = "null,delay=10ms,jitter=9%";
    let held: Vec<Comparison> = (0..100).map(|_| pair(noisy, noisy, &mut random)).collect();
    let alarms = held.iter().filter(|comparison| fires(comparison)).count();
    let middles = held
        .iter()
        .filter(|comparison| comparison.ratio.median <= 0.95)
        .count();
    assert!(
        alarms <= 5 && middles >= 10,
        "{alarms} false alarms, {middles} middles of 100"
    );
    let slower = "null,delay=10.87ms,jitter=1%";
    let caught = (0..100)
        .filter(|_| fires(&pair(slower, same, &mut random)))
        .count();
    assert!(caught >= 95, "{caught} of 100 regressions caught");
    assert!(
        !pair(same, same, &mut random).paired,
        "two studies are not paired"
    );
}
