//! Parses vGPU and MIG profiles from device names: the share of the board that a name stands for.
//!
//! vGPU names are those of NVIDIA's "Virtual GPU Software User Guide": `<board>-<GB><series>` shares the board in time,
//! `<board>-<slices>-<GB><series>` is a MIG instance handed to a virtual machine. MIG names are those of its "MIG User
//! Guide": `[<compute slices>c.]<slices>g.<GB>gb[+<attribute>]`.

/// A vGPU's profile, parsed from its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VgpuProfile {
    /// The profile as NVIDIA writes it, such as `V100D-8Q`.
    pub name: String,
    /// Slices of the board, 1 to 7; `None` for a share in time.
    pub slices: Option<u8>,
    /// Frame buffer, GB; 0 means 0.5 GB.
    pub gigabytes: u32,
    /// `A` (applications), `B` (business desktops), `C` (compute) or `Q` (workstations).
    pub series: char,
}

impl VgpuProfile {
    /// The profile in a product's name, such as `GRID V100D-8Q`; `None` for a whole board.
    pub fn of(product: &str) -> Option<Self> {
        let name = product.split_whitespace().next_back()?;
        let (whole, tail) = name.rsplit_once('-')?;
        // `ME`: with the board's media engines.
        let tail = tail.strip_suffix("ME").unwrap_or(tail);
        let series = tail.chars().next_back().filter(|last| "ABCQ".contains(*last))?;
        let gigabytes = number(&tail[..tail.len() - 1], 4)?;
        let (board, slices) = match whole.rsplit_once('-') {
            Some((board, slices)) => match number(slices, 1) {
                Some(slices @ 1..=7) => (board, Some(slices as u8)),
                _ => (whole, None),
            },
            None => (whole, None),
        };
        let named = board.starts_with(|first: char| first.is_ascii_alphabetic()) && !board.ends_with('-');
        named.then(|| Self {
            name: name.to_owned(),
            slices,
            gigabytes,
            series,
        })
    }
}

/// The profile in a MIG device's name, such as `1g.10gb` in `NVIDIA H100 80GB HBM3 MIG 1g.10gb`.
pub fn mig_profile(product: &str) -> Option<&str> {
    let (_, profile) = product.rsplit_once("MIG ")?;
    let profile = profile.trim();
    let (sizes, _) = profile.split_once('+').unwrap_or((profile, ""));
    let mut parts = sizes.rsplit('.');
    let part = |part: Option<&str>, unit: &str| part?.strip_suffix(unit).and_then(|text| number(text, 4));
    part(parts.next(), "gb")?;
    part(parts.next(), "g")?;
    match parts.next() {
        None => Some(profile),
        compute => part(compute, "c")
            .filter(|_| parts.next().is_none())
            .map(|_| profile),
    }
}

/// The profile of a MIG device by its attributes: slices of the board, slices that compute, memory in MiB, and the
/// board's memory in bytes.
///
/// NVIDIA names a device by eighths of its board's memory, as its go-nvlib computes it.
pub fn mig_profile_of(slices: u32, compute_slices: u32, memory_mib: u64, board_bytes: u64) -> Option<String> {
    if slices == 0 || board_bytes == 0 {
        return None;
    }
    let share = (memory_mib as f64 * f64::from(1 << 20) / board_bytes as f64 * 8.0).ceil() / 8.0;
    let gigabytes = (share * board_bytes.div_ceil(1 << 30) as f64).round() as u64;
    let compute = if compute_slices == slices || compute_slices == 0 {
        String::new()
    } else {
        format!("{compute_slices}c.")
    };
    Some(format!("{compute}{slices}g.{gigabytes}gb"))
}

/// A number of at most `digits` digits and nothing else.
fn number(text: &str, digits: usize) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn real_vgpus_tell_their_profile() {
        for (product, name, slices, gigabytes, series) in [
            ("GRID V100D-8Q", "V100D-8Q", None, 8, 'Q'),
            ("GRID M60-0Q", "M60-0Q", None, 0, 'Q'),
            ("GRID M10-1B", "M10-1B", None, 1, 'B'),
            ("GRID T4-16Q", "T4-16Q", None, 16, 'Q'),
            ("GRID RTX6000P-24Q", "RTX6000P-24Q", None, 24, 'Q'),
            ("NVIDIA A16-4Q", "A16-4Q", None, 4, 'Q'),
            ("A40-48Q", "A40-48Q", None, 48, 'Q'),
            ("NVIDIA A40-24A", "A40-24A", None, 24, 'A'),
            ("NVIDIA A100-10C", "A100-10C", None, 10, 'C'),
            ("NVIDIA L40S-48C", "L40S-48C", None, 48, 'C'),
            ("NVIDIA H100XM-80C", "H100XM-80C", None, 80, 'C'),
            ("NVIDIA RTX6000-Ada-48Q", "RTX6000-Ada-48Q", None, 48, 'Q'),
            ("GRID A100-1-5C", "A100-1-5C", Some(1), 5, 'C'),
            ("NVIDIA A100-3-20C", "A100-3-20C", Some(3), 20, 'C'),
            ("NVIDIA A100D-1-10CME", "A100D-1-10CME", Some(1), 10, 'C'),
            (
                "NVIDIA RTX Pro 6000 Blackwell DC-4-96Q",
                "DC-4-96Q",
                Some(4),
                96,
                'Q',
            ),
        ] {
            let expected = VgpuProfile {
                name: name.to_owned(),
                slices,
                gigabytes,
                series,
            };
            assert_eq!(VgpuProfile::of(product), Some(expected), "{product}");
        }
    }

    #[test]
    fn whole_boards_and_scraps_have_none() {
        for product in [
            "Tesla V100-PCIE-32GB",
            "NVIDIA H100 80GB HBM3",
            "NVIDIA A100-SXM4-40GB",
            "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
            "NVIDIA GeForce RTX 4090",
            "Quadro RTX 6000",
            "Tesla T4",
            "NVIDIA L40S",
            "NVIDIA PG506-232",
            "",
            "-8Q",
            "7-8Q",
            "A100-",
            "A100-C",
            "A100-8X",
            "A100-12345C",
            "A100--5C",
            "A100-+5C",
        ] {
            assert_eq!(VgpuProfile::of(product), None, "{product}");
        }
    }

    #[test]
    fn real_mig_devices_tell_their_profile() {
        for (product, profile) in [
            ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", Some("1g.5gb")),
            ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", Some("1g.10gb")),
            ("NVIDIA A100-SXM4-40GB MIG 1c.3g.20gb", Some("1c.3g.20gb")),
            ("NVIDIA H100 80GB HBM3 MIG 1g.10gb+me", Some("1g.10gb+me")),
            ("NVIDIA H100 80GB HBM3", None),
            ("NVIDIA H100 80GB HBM3 MIG", None),
            ("NVIDIA H100 MIG 10gb", None),
            ("NVIDIA H100 MIG 1x.3g.20gb", None),
            ("NVIDIA H100 MIG 1c.1c.3g.20gb", None),
        ] {
            assert_eq!(mig_profile(product), profile, "{product}");
        }
    }

    #[test]
    fn attributes_give_the_names_that_nvidia_gives() {
        const MIB: u64 = 1 << 20;
        for (slices, compute, memory, board, profile) in [
            (1, 1, 4864, 40536 * MIB, "1g.5gb"),
            (3, 3, 19968, 40536 * MIB, "3g.20gb"),
            (3, 1, 19968, 40536 * MIB, "1c.3g.20gb"),
            (1, 1, 9856, 81559 * MIB, "1g.10gb"),
            (7, 7, 80896, 81559 * MIB, "7g.80gb"),
        ] {
            assert_eq!(
                mig_profile_of(slices, compute, memory, board).as_deref(),
                Some(profile)
            );
        }
        assert_eq!(mig_profile_of(0, 0, 1, 1), None);
    }

    proptest! {
        #[test]
        fn what_is_put_together_is_taken_apart(
            vendor in "(GRID |NVIDIA |)",
            board in "[A-Z][A-Z0-9]{0,7}",
            slices in proptest::option::of(1_u8..=7),
            gigabytes in 0_u32..1000,
            series in "[ABCQ]",
        ) {
            let middle = slices.map(|slices| format!("-{slices}")).unwrap_or_default();
            let name = format!("{board}{middle}-{gigabytes}{series}");
            let profile = VgpuProfile::of(&format!("{vendor}{name}")).expect("a vGPU's name");
            prop_assert_eq!(profile.name, name);
            prop_assert_eq!((profile.slices, profile.gigabytes), (slices, gigabytes));
            prop_assert_eq!(profile.series.to_string(), series);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            if let Some(profile) = VgpuProfile::of(&text) {
                prop_assert!(text.contains(&profile.name));
            }
            if let Some(profile) = mig_profile(&text) {
                prop_assert!(text.contains(profile));
            }
        }
    }
}
