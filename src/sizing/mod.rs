//! How many machines of each kind serve a load, what that costs, how sure it is, and what would change the answer.
//!
//! A load of photos that arrive at random, split at random over machines that are alike, arrives at each of them at
//! random too, at its share of the rate. So a measurement of one machine in the server scenario is true of each of many.

mod break_even;
mod changes;
mod evidence;
mod prices;
mod shared;

pub use prices::{Prices, PricesError};

use self::{
    break_even::{Crossing, PricedMachine, crossing, machines},
    evidence::Finding,
};
use crate::record::{Arm, BreakEven, Evidence, LatencyBound, Machine, PlanSummary, Record, Sizing, title};

/// Hours of a month, as clouds count them.
const MONTH: f64 = 730.0;

/// What has to be served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Photos per second, all machines together; above 0.
    pub rate: f64,
    /// The latency to meet.
    pub bound: LatencyBound,
    /// Machines beyond those, in case some fail.
    pub spare: usize,
}

/// An arm on the machine that it was measured on.
struct Candidate<'a> {
    record: &'a Record,
    plan: &'a PlanSummary,
    study: String,
    arm: &'a Arm,
    finding: Finding,
    /// How its device is shared; `None` for an arm alone.
    shared: Option<Shared>,
}

/// How tenants share a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shared {
    /// How many.
    tenants: usize,
    /// Machines that they are on.
    machines: usize,
    /// Whether nothing shows that each of these has a device of its own.
    one_device: bool,
}

impl Candidate<'_> {
    /// What it is called.
    fn label(&self) -> String {
        match self.shared {
            None => self.arm.label.clone(),
            Some(Shared {
                tenants, machines: 1, ..
            }) => format!("{}, {tenants} tenants", self.arm.label),
            Some(Shared {
                machines, one_device, ..
            }) => {
                let together = if one_device { "on a device" } else { "at once" };
                format!("{}, {machines} {together}", self.arm.label)
            }
        }
    }

    /// How many machines one device is enough for.
    fn machines_of_a_device(&self) -> usize {
        let shared = self.shared.filter(|shared| shared.one_device);
        shared.map_or(1, |shared| shared.machines)
    }
}

/// The answer for `load` from `records`; at least one.
pub fn size(records: &[Record], load: &Load, prices: &Prices) -> Sizing {
    let candidates = strongest(
        records
            .iter()
            .flat_map(|record| candidates(record, load.bound))
            .collect(),
    );
    let mut currency = prices.currency.clone();
    if currency.is_empty() && prices.price.is_empty() {
        let mut known = candidates.iter().filter_map(|c| c.arm.price.as_ref());
        currency = known
            .next()
            .map_or_else(String::new, |price| price.currency.clone());
    }
    let mut machines: Vec<Machine> = Vec::new();
    for candidate in &candidates {
        let name = name(candidate, &candidates, &machines);
        machines.push(machine(candidate, name, load, prices, &currency));
    }
    let cheapest = by_cost(&machines).first().map(|machine| machine.name.clone());
    let (break_even, break_even_reason) = match break_even(&machines, load.spare) {
        Ok(rate) => (Some(rate), None),
        Err(why) => (None, Some(why)),
    };
    let mut remarks = differences(records);
    let names: Vec<(&str, &str)> = machines
        .iter()
        .map(|machine| (machine.name.as_str(), machine.label.as_str()))
        .collect();
    remarks.extend(
        prices
            .unused(&names)
            .into_iter()
            .map(|key| format!("--prices: no machine in these records is called \"{key}\"")),
    );
    let changes = changes::list(&machines, &candidates, load, &currency);
    Sizing {
        rate: load.rate,
        bound: load.bound,
        spare: load.spare,
        currency,
        machines,
        cheapest,
        break_even,
        break_even_reason,
        changes,
        assumptions: assumptions(load),
        remarks,
    }
}

/// The arms of `record`, each with the plan of the study that it is from.
fn candidates(record: &Record, bound: LatencyBound) -> Vec<Candidate<'_>> {
    let of_arm = |arm, shared: Option<(Shared, Finding)>| {
        let arm: &Arm = arm;
        let source = record.source_of(arm);
        let (plan, name, id, quick) = source.map_or(
            (
                &record.plan,
                &record.name,
                &record.id,
                record.quick || record.interrupted,
            ),
            |source| {
                let short = source.quick || source.interrupted;
                (&source.plan, &source.name, &source.id, short)
            },
        );
        let (shared, mut finding) = match shared {
            Some((shared, finding)) => (Some(shared), finding),
            None => (None, evidence::of(record, plan, arm, bound)),
        };
        if quick && finding.evidence != Evidence::None {
            finding
                .notes
                .push("from a quick or interrupted study: base no claim on it".to_owned());
        }
        Candidate {
            record,
            plan,
            study: title(name.as_deref(), id),
            arm,
            finding,
            shared,
        }
    };
    let alone = record.arms.iter().map(|arm| of_arm(arm, None));
    let shared = shared::of(record, bound).into_iter();
    alone
        .chain(shared.map(|(arm, shared, finding)| of_arm(arm, Some((shared, finding)))))
        .collect()
}

/// One candidate for each arm on each machine: that of the strongest evidence, and of the highest rate in that.
fn strongest(all: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    let mut kept: Vec<Candidate<'_>> = Vec::new();
    for candidate in all {
        let same = kept
            .iter_mut()
            .find(|other| identity(other) == identity(&candidate) && other.label() == candidate.label());
        match same {
            Some(other) if strength(&candidate) > strength(other) => *other = candidate,
            Some(_) => {}
            None => kept.push(candidate),
        }
    }
    kept
}

fn strength(candidate: &Candidate<'_>) -> (Evidence, f64) {
    let rate = candidate.finding.rate.map_or(0.0, |rate| rate.median);
    (candidate.finding.evidence, rate)
}

/// What identifies a machine.
fn identity<'a>(candidate: &Candidate<'a>) -> (Option<&'a str>, usize, Option<&'a str>) {
    let record = candidate.record;
    let source = record
        .sources
        .iter()
        .find(|source| Some(&source.id) == candidate.arm.source.as_ref());
    let host = source.map_or(&record.host, |source| &source.host);
    (
        host.cpu.model.as_deref(),
        candidate.plan.host_cores,
        candidate.arm.backend.gpu.as_deref(),
    )
}

/// The label, with the study where another machine has the same.
fn name(candidate: &Candidate<'_>, all: &[Candidate<'_>], before: &[Machine]) -> String {
    let label = candidate.label();
    if all.iter().filter(|other| other.label() == label).count() == 1 {
        return label;
    }
    let name = format!("{label} ({})", candidate.study);
    let tenants = candidate.shared.map(|shared| shared.tenants);
    let twins = before.iter().filter(|machine| {
        machine.label == candidate.arm.label && machine.tenants == tenants && machine.study == candidate.study
    });
    match twins.count() {
        0 => name,
        twins => format!("{name} #{}", twins + 1),
    }
}

fn machine(candidate: &Candidate<'_>, name: String, load: &Load, prices: &Prices, currency: &str) -> Machine {
    let (arm, finding) = (candidate.arm, &candidate.finding);
    let usable = finding.rate.filter(|_| finding.evidence == Evidence::Server);
    let most = finding.rate.filter(|_| finding.evidence < Evidence::Server);
    let most = most.map(|rate| rate.high.unwrap_or(rate.median));
    let enough = |rate: f64| machines(load.rate, rate) + load.spare;
    let count = usable.map(|rate| enough(rate.low.unwrap_or(rate.median)));
    let at_least = most.map(enough);
    let all = count.or(at_least);
    let mut notes = finding.notes.clone();
    let price = prices.of(&name, &arm.label).or_else(|| {
        let price = arm.price.as_ref();
        price
            .filter(|price| price.currency == currency)
            .map(|price| price.per_hour)
    });
    if price.is_none() {
        notes.push("no price is known: give it in --prices".to_owned());
    }
    let cost = price.zip(all).map(|(price, count)| price * count as f64);
    let gpu = arm.backend.gpu.clone();
    Machine {
        label: arm.label.clone(),
        study: candidate.study.clone(),
        evidence: finding.evidence,
        tenants: candidate.shared.map(|shared| shared.tenants),
        usable_rate: usable,
        most_rate: most,
        p99_ms: finding.p99_ms,
        count,
        count_range: usable.and_then(|rate| Some([enough(rate.high?), enough(rate.low?)])),
        at_least,
        cores_each: candidate.plan.host_cores,
        cores: all.map(|count| count * candidate.plan.host_cores),
        gpus: all
            .filter(|_| gpu.is_some())
            .map(|count| count.div_ceil(candidate.machines_of_a_device())),
        gpu,
        price_per_hour: price,
        cost_per_hour: cost,
        cost_per_month: cost.map(|cost| cost * MONTH),
        images_per_unit: cost
            .filter(|cost| *cost > 0.0 && count.is_some())
            .map(|cost| load.rate * 3600.0 / cost),
        notes,
        name,
    }
}

/// Those that are known to serve the load and have a price, the cheapest first.
fn by_cost(machines: &[Machine]) -> Vec<&Machine> {
    let known = |machine: &&Machine| machine.count.is_some() && machine.cost_per_hour.is_some();
    let mut sorted: Vec<&Machine> = machines.iter().filter(known).collect();
    sorted.sort_by(|a, b| {
        a.cost_per_hour
            .unwrap_or(0.0)
            .total_cmp(&b.cost_per_hour.unwrap_or(0.0))
    });
    sorted
}

/// The rate at which the two cheapest change places, or why there is none.
fn break_even(machines: &[Machine], spare: usize) -> Result<BreakEven, String> {
    let sorted = by_cost(machines);
    let [first, second, ..] = sorted[..] else {
        return Err("fewer than two machines have a price and are known to meet the bound".to_owned());
    };
    let pair = [first, second];
    let priced = |machine: &Machine| {
        let usable = machine.usable_rate?;
        Some(PricedMachine {
            usable: usable.low.unwrap_or(usable.median),
            price: machine.price_per_hour?,
        })
    };
    let Some((a, b)) = priced(first).zip(priced(second)) else {
        return Err("there is no rate or no price".to_owned());
    };
    match crossing([a, b], spare) {
        Crossing::Above(place, rate) => Ok(BreakEven {
            rate,
            above: pair[place].name.clone(),
            other: pair[1 - place].name.clone(),
        }),
        Crossing::Always(place) => Err(format!(
            "{} costs less than {} at every rate",
            pair[place].name,
            pair[1 - place].name
        )),
        Crossing::Never => Err(format!(
            "a photo costs the same on fully used {} and {}",
            first.name, second.name
        )),
        Crossing::Far => Err(format!(
            "{} and {} cost almost the same per photo, so that at every rate the rounding to whole machines decides",
            first.name, second.name
        )),
    }
}

/// Records that did not measure the same thing, which no count makes comparable.
fn differences(records: &[Record]) -> Vec<String> {
    let Some((first, rest)) = records.split_first() else {
        return Vec::new();
    };
    let network = |facts: &Option<crate::record::NetworkFacts>| facts.as_ref().map(|n| n.sha256.clone());
    let named = |record: &Record| title(record.name.as_deref(), &record.id);
    let different = |record: &&Record| {
        let (a, b) = (&first.workload, &record.workload);
        (&a.dataset.sha256, a.dataset.images, &a.stage) != (&b.dataset.sha256, b.dataset.images, &b.stage)
            || network(&a.detector) != network(&b.detector)
            || network(&a.recognizer) != network(&b.recognizer)
    };
    rest.iter()
        .filter(different)
        .map(|record| {
            format!(
                "{} and {} did not measure the same photos, networks and stages: their machines do not serve the same load",
                named(first),
                named(record)
            )
        })
        .collect()
}

fn assumptions(load: &Load) -> Vec<String> {
    let spare = match load.spare {
        0 => "No headroom, and no reserve for machines that fail: --spare N adds machines.".to_owned(),
        spare => format!(
            "{spare} more than the load needs, as a reserve for machines that fail; no other headroom."
        ),
    };
    vec![
        "Photos arrive at random (a Poisson process) and are split at random over the machines; each then sees random \
         arrivals at its share of the rate, which is what the server scenario measures."
            .to_owned(),
        "Each machine runs one arm and nothing else, and splitting the load takes no time.".to_owned(),
        "Photos are like those of the records.".to_owned(),
        spare,
    ]
}
