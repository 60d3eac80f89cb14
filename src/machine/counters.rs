//! What the kernel counts while something is measured: busy and stolen processor time, throttling, clock, heat, energy.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

use super::{Reading, cgroup, tree::Tree};

const STAT: &str = "/proc/stat";
const CORES: &str = "/sys/devices/system/cpu";
const POWERCAP: &str = "/sys/class/powercap";

/// Environment variable that names a folder in which counters are read as if it were `/`. It is for tests, which plant
/// stolen time or a falling clock there. The machine's facts then show that counters are planted.
pub(super) const PLANTED: &str = "FACEBENCH_TEST_COUNTERS";

/// The kernel's processor times are in hundredths of a second on every system that facebench knows.
const TICK: f64 = 0.01;

/// The counters at one moment. What cannot be read carries the reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Counters {
    /// Seconds for which the host cores were busy, summed over the cores.
    pub busy_seconds: Reading<f64>,
    /// Seconds that the hypervisor gave to other machines meanwhile (steal).
    pub stolen_seconds: Reading<f64>,
    /// Seconds for which the control group's quota stopped threads of this process's group.
    pub throttled_seconds: Reading<f64>,
    /// Clock of the fastest host core, MHz.
    pub clock_mhz: Reading<f64>,
    /// How often a host core was slowed down because of heat.
    pub thermal_events: Reading<u64>,
    /// Energy counters of the processor packages, microjoules: the count and where it wraps around.
    pub packages: Reading<BTreeMap<String, (u64, u64)>>,
}

impl Counters {
    /// The counters of this machine for `cores`; all of its cores where that is empty.
    pub fn current(cores: &[usize]) -> Self {
        Self::read(&root(), cores)
    }

    /// The counters of the machine whose file system begins at `root`.
    pub fn read(root: &Path, cores: &[usize]) -> Self {
        let tree = Tree::new(root);
        let times = times(&tree, cores);
        let of = |pick: fn(&(f64, f64)) -> f64| times.as_ref().map(pick).map_err(Clone::clone);
        Self {
            busy_seconds: of(|times| times.0),
            stolen_seconds: of(|times| times.1),
            throttled_seconds: cgroup::throttled_seconds(&tree),
            clock_mhz: clock_mhz(&tree, cores),
            thermal_events: each(&tree, cores, "thermal_throttle/core_throttle_count")
                .map(|all| all.iter().sum()),
            packages: packages(&tree),
        }
    }

    /// Joules that the processor packages used since `before`.
    pub fn joules_since(&self, before: &Self) -> Option<f64> {
        let (Ok(after), Ok(before)) = (&self.packages, &before.packages) else {
            return None;
        };
        let mut joules = 0.0;
        for (name, (count, range)) in after {
            let (earlier, _) = before.get(name)?;
            let used = count
                .checked_sub(*earlier)
                .or_else(|| (count + range).checked_sub(*earlier))?;
            joules += used as f64 / 1e6;
        }
        Some(joules)
    }

    /// Why a counter cannot be read, by its name in a block's conditions.
    pub fn unavailable(&self) -> BTreeMap<String, String> {
        fn reason<T>(reading: &Reading<T>) -> Option<String> {
            reading.as_ref().err().cloned()
        }
        [
            ("busy_seconds", reason(&self.busy_seconds)),
            ("stolen_seconds", reason(&self.stolen_seconds)),
            ("throttled_seconds", reason(&self.throttled_seconds)),
            ("clock_mhz", reason(&self.clock_mhz)),
            ("thermal_events", reason(&self.thermal_events)),
            ("joules", reason(&self.packages)),
        ]
        .into_iter()
        .filter_map(|(name, reason)| Some((format!("conditions.{name}"), reason?)))
        .collect()
    }
}

fn root() -> PathBuf {
    let planted = env::var_os(PLANTED).filter(|folder| !folder.is_empty());
    planted.map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// Clock of the fastest of `cores` (of all where that is empty) at this moment, MHz.
pub fn fastest_clock_mhz(cores: &[usize]) -> Reading<f64> {
    clock_mhz(&Tree::new(&root()), cores)
}

fn clock_mhz(tree: &Tree, cores: &[usize]) -> Reading<f64> {
    let clocks = each(tree, cores, "cpufreq/scaling_cur_freq")?;
    Ok(clocks.into_iter().max().unwrap_or(0) as f64 / 1e3)
}

/// Busy and stolen seconds of `cores`, or of all.
fn times(tree: &Tree, cores: &[usize]) -> Reading<(f64, f64)> {
    let text = tree.text(STAT)?;
    let (mut busy, mut stolen, mut found) = (0.0, 0.0, 0);
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let Some(name) = fields.next().and_then(|field| field.strip_prefix("cpu")) else {
            continue;
        };
        let wanted = match name.parse::<usize>() {
            Ok(core) => cores.contains(&core),
            // The first line is the sum of all.
            Err(_) => cores.is_empty() && name.is_empty(),
        };
        if !wanted {
            continue;
        }
        let ticks: Vec<f64> = fields.map_while(|field| field.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal; user and nice already include the time of guests.
        let [user, nice, system, _, _, irq, softirq, steal] = ticks[..]
            .first_chunk()
            .ok_or_else(|| format!("{STAT}: cpu{name} has fewer than eight numbers"))?;
        busy += (user + nice + system + irq + softirq) * TICK;
        stolen += steal * TICK;
        found += 1;
    }
    if found == cores.len().max(1) {
        Ok((busy, stolen))
    } else {
        Err(format!("{STAT} does not list all of the host cores"))
    }
}

/// The number in one file of each core.
fn each(tree: &Tree, cores: &[usize], file: &str) -> Reading<Vec<u64>> {
    let all;
    let cores = if cores.is_empty() {
        all = super::parse_cpu_list(&tree.filled(&format!("{CORES}/online"))?)?;
        &all
    } else {
        cores
    };
    cores
        .iter()
        .map(|core| {
            let path = format!("{CORES}/cpu{core}/{file}");
            let text = tree.filled(&path)?;
            text.parse()
                .map_err(|_| format!("{path} is not a number: `{text}`"))
        })
        .collect()
}

fn packages(tree: &Tree) -> Reading<BTreeMap<String, (u64, u64)>> {
    let mut packages = BTreeMap::new();
    let mut refused = None;
    for name in tree.names(POWERCAP)? {
        let folder = format!("{POWERCAP}/{name}");
        // Only whole packages: their counts include their parts.
        let is_package = tree
            .text(&format!("{folder}/name"))
            .is_ok_and(|n| n.starts_with("package"));
        if !name.contains(':') || !is_package {
            continue;
        }
        let number = |file: &str| -> Reading<u64> {
            let path = format!("{folder}/{file}");
            let text = tree.filled(&path)?;
            text.parse()
                .map_err(|_| format!("{path} is not a number: `{text}`"))
        };
        match (number("energy_uj"), number("max_energy_range_uj")) {
            (Ok(count), Ok(range)) => {
                packages.insert(name, (count, range));
            }
            (Err(reason), _) | (_, Err(reason)) => refused = Some(reason),
        }
    }
    match refused {
        Some(reason) => Err(reason),
        None if packages.is_empty() => Err(format!("{POWERCAP} has no processor package")),
        None => Ok(packages),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    fn machine() -> Fake {
        Fake::new()
            .file(
                STAT,
                "cpu  300 0 100 900 5 0 0 20 0 0\ncpu0 100 0 50 400 5 0 0 10 0 0\ncpu1 200 0 50 500 0 0 0 10 0 0\nintr 1\n",
            )
            .file("/sys/devices/system/cpu/online", "0-1\n")
            .file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2000000\n")
            .file("/sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "3000000\n")
            .file("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "1\n")
            .file("/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "2\n")
            .file("/sys/class/powercap/intel-rapl:0/name", "package-0\n")
            .file("/sys/class/powercap/intel-rapl:0/energy_uj", "9000000\n")
            .file("/sys/class/powercap/intel-rapl:0/max_energy_range_uj", "10000000\n")
            .file("/sys/class/powercap/intel-rapl:0:0/name", "core\n")
    }

    #[test]
    fn all_cores_or_some() {
        let fake = machine();
        let all = Counters::read(fake.root(), &[]);
        assert_eq!((all.busy_seconds, all.stolen_seconds), (Ok(4.0), Ok(0.2)));
        assert_eq!((all.clock_mhz, all.thermal_events), (Ok(3000.0), Ok(3)));
        let one = Counters::read(fake.root(), &[1]);
        assert_eq!((one.busy_seconds, one.clock_mhz), (Ok(2.5), Ok(3000.0)));
        assert!(Counters::read(fake.root(), &[7]).busy_seconds.is_err());
    }

    #[test]
    fn energy_wraps_around() {
        let before = Counters::read(machine().root(), &[]);
        let after = Counters::read(
            machine()
                .file("/sys/class/powercap/intel-rapl:0/energy_uj", "1000000\n")
                .root(),
            &[],
        );
        assert_eq!(after.joules_since(&before), Some(2.0));
    }

    #[test]
    fn what_is_missing_has_a_reason() {
        let fake = Fake::new();
        let reasons = Counters::read(fake.root(), &[]).unavailable();
        assert_eq!(reasons.len(), 6);
        assert!(
            reasons["conditions.stolen_seconds"].contains("/proc/stat"),
            "{reasons:?}"
        );
        assert!(reasons["conditions.joules"].contains("powercap"));
    }
}
