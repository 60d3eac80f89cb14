//! The values of options: text in, a typed value or a message out.

use std::time::Duration;

use crate::{
    dataset::Shard,
    machine::parse_cpu_list,
    record::{LatencyBound, Price},
    runtime::{
        install::Flavor,
        values::{nearest, parse_duration, parse_share, parse_size},
    },
    sharing::coordination::MOST_MACHINES,
};

/// A price, of one arm or of all.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmPrice {
    /// The arm; `None` for all that have no price of their own.
    pub label: Option<String>,
    /// Price of an hour.
    pub price: Price,
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

/// Numbers of host cores; a type of its own, because clap takes a bare `Vec` for an option that is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreList(pub Vec<usize>);

/// Numbers of tenants; a type of its own likewise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(pub Vec<usize>);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let most = Duration::from_hours(24);
    let duration = parse_duration(text)?;
    if duration <= most {
        Ok(duration)
    } else {
        Err("longer than a day".to_owned())
    }
}

/// More frequent samples would keep the driver busy.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(10);
    let interval = duration(text)?;
    if interval >= least {
        Ok(interval)
    } else {
        Err("shorter than 10ms".to_owned())
    }
}

pub(super) fn regression(text: &str) -> Result<f64, String> {
    parse_share(text)
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| (0.1..=1e6).contains(rate))
        .ok_or_else(|| "expected photos per second, from 0.1 to 1000000".to_owned())
}

pub(super) fn latency_bound(text: &str) -> Result<LatencyBound, String> {
    let expected = || format!("\"{text}\" is no bound; write it like 100ms@p99");
    let (time, percentile) = text.split_once('@').ok_or_else(expected)?;
    let ms = duration(time).map_err(|_| expected())?.as_secs_f64() * 1e3;
    let percentile = percentile.strip_prefix('p').and_then(|p| p.parse::<f64>().ok());
    let percentile = percentile.filter(|p| (50.0..=99.9).contains(p) && ms > 0.0);
    Ok(LatencyBound {
        ms,
        percentile: percentile.ok_or_else(expected)?,
    })
}

pub(super) fn latency(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("expected a time above 0".to_owned()),
        latency => Ok(latency),
    }
}

pub(super) fn spare(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|spare| *spare <= 1000)
        .ok_or_else(|| "expected a whole number, from 0 to 1000".to_owned())
}

pub(super) fn price(text: &str) -> Result<ArmPrice, String> {
    let expected = || format!("\"{text}\" is no price an hour; write it like 0.40, 2.50USD or cuda=2.50USD");
    // Labels may hold an equals sign of their own: the price follows the last one.
    let (label, price) = text
        .rsplit_once('=')
        .map_or((None, text), |(label, price)| (Some(label.to_owned()), price));
    let digits = price
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(price.len());
    let (amount, currency) = price.split_at(digits);
    let currency = currency.trim();
    let per_hour = amount.parse::<f64>().map_err(|_| expected())?;
    if currency.chars().all(|c| c.is_alphabetic() || "$€£¥".contains(c)) && currency.len() <= 8 {
        Ok(ArmPrice {
            label,
            price: Price {
                per_hour,
                currency: currency.to_owned(),
            },
        })
    } else {
        Err(expected())
    }
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=1_000_000).contains(count))
        .ok_or_else(|| "expected a whole number, 1 or more".to_owned())
}

pub(super) fn share(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// Sides of a detector's canvas.
const CANVAS: std::ops::RangeInclusive<u32> = 32..=4096;

/// `320` or `640x480`: width and height of a detector's canvas. Detectors look at cells of up to 32 pixels.
pub(super) fn canvas(text: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| {
        let side = text.parse().ok();
        side.filter(|side: &u32| CANVAS.contains(side) && side.is_multiple_of(32))
    };
    let (width, height) = text.split_once('x').unwrap_or((text, text));
    side(width).zip(side(height)).ok_or_else(|| {
        "expected a side or WIDTHxHEIGHT in multiples of 32 from 32 to 4096, such as 320 or 640x480"
            .to_owned()
    })
}

pub(super) fn size(text: &str) -> Result<ByteSize, String> {
    parse_size(text).map(ByteSize)
}

pub(super) fn part_size(text: &str) -> Result<ByteSize, String> {
    /// Less would make thousands of files of any bundle.
    const LEAST: f64 = 1e5;
    match parse_size(text)? {
        size if size as f64 >= LEAST && size as f64 <= 1e15 => Ok(ByteSize(size)),
        _ => Err("expected 100KB or more".to_owned()),
    }
}

pub(super) fn flavor(word: &str) -> Result<Flavor, String> {
    let known = || Flavor::ALL.iter().map(|flavor| flavor.name());
    let found = Flavor::ALL.iter().copied().find(|flavor| flavor.name() == word);
    found.ok_or_else(|| {
        let near = nearest(word, known());
        format!(
            "no such runtime{near}; there are: {}",
            known().collect::<Vec<_>>().join(", ")
        )
    })
}

pub(super) fn file_name_part(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected letters, digits, - _ and .".to_owned())
    }
}

/// `1,2,4`: how many at a time.
pub(super) fn counts(text: &str) -> Result<Counts, String> {
    let number = |word: &str| {
        let count = word.trim().parse::<usize>().ok();
        count
            .filter(|count| (1..=1000).contains(count))
            .ok_or_else(|| format!("\"{word}\" is no number of tenants; expected a list such as 1,2,4"))
    };
    let mut counts: Vec<usize> = text.split(',').map(number).collect::<Result<_, _>>()?;
    counts.sort_unstable();
    counts.dedup();
    Ok(Counts(counts))
}

/// `I/N`: one part of N, counted from 0.
pub(super) fn shard(text: &str) -> Result<Shard, String> {
    let form = "expected I/N, counted from 0, such as 0/4";
    let (index, of) = text.split_once('/').ok_or(form)?;
    let number = |text: &str| text.parse::<usize>().map_err(|_| form.to_owned());
    let (index, of) = (number(index)?, number(of)?);
    if index < of {
        Ok(Shard { index, of })
    } else if of == 0 {
        Err("there are no parts of 0".to_owned())
    } else {
        Err(format!("parts are counted from 0: 0/{of} to {}/{of}", of - 1))
    }
}

/// A host may be a name, an address, or a version 6 address in brackets.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let parts = text.rsplit_once(':');
    let fits = parts.is_some_and(|(host, port)| {
        let bare = host.contains(':') && !host.starts_with('[');
        !host.is_empty() && !bare && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected a host and a port, such as vm1:7878 or [fd00::1]:7878".to_owned())
    }
}

/// How many machines; one needs no coordination.
pub(super) fn machines(text: &str) -> Result<usize, String> {
    match count(text)? {
        1 => Err("one machine needs no coordination: leave this option out".to_owned()),
        machines if machines > MOST_MACHINES => Err(format!("more than {MOST_MACHINES} machines")),
        machines => Ok(machines),
    }
}

pub(super) fn core_list(text: &str) -> Result<CoreList, String> {
    let cores = parse_cpu_list(text)?;
    if cores.is_empty() {
        Err("names no core".to_owned())
    } else {
        Ok(CoreList(cores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_counted_from_0() {
        assert_eq!(shard("3/4"), Ok(Shard { index: 3, of: 4 }));
        assert!(shard("4/4").unwrap_err().contains("0/4 to 3/4"));
        assert!(
            ["", "1", "a/2", "1/0", "-1/2", "1/2/3"]
                .iter()
                .all(|text| shard(text).is_err())
        );
    }

    #[test]
    fn a_coordinated_run_has_an_address_and_two_machines_or_more() {
        for good in ["vm1:7878", "10.0.0.4:1", "[fd00::1]:7878"] {
            assert_eq!(host_and_port(good).as_deref(), Ok(good));
        }
        assert!(
            ["vm1", "vm1:", ":7878", "fd00::1:7878", "vm1:0", "vm1:70000"]
                .iter()
                .all(|text| host_and_port(text).is_err())
        );
        assert_eq!(machines("2"), Ok(2));
        assert!(["0", "1", "257"].iter().all(|text| machines(text).is_err()));
    }

    #[test]
    fn bounds_and_prices_are_read_as_people_write_them() {
        let bound = latency_bound("0.1s@p99.9").unwrap();
        assert!((bound.ms - 100.0).abs() < 1e-9 && (bound.percentile - 99.9).abs() < 1e-9);
        assert!(
            ["100ms", "100ms@99", "0ms@p99", "1s@p100", "@p99"]
                .iter()
                .all(|bad| latency_bound(bad).is_err())
        );
        let read = price("cpu,precision=int8=2.50USD").unwrap();
        assert_eq!(read.label.as_deref(), Some("cpu,precision=int8"));
        assert_eq!(
            (read.price.per_hour.to_bits(), read.price.currency.as_str()),
            (2.5f64.to_bits(), "USD")
        );
        assert_eq!(price("0.4").unwrap().label, None);
        assert!(
            ["much", "cpu=", "-1", "1 2"]
                .iter()
                .all(|bad| price(bad).is_err())
        );
    }

    #[test]
    fn a_canvas_is_whole_cells() {
        assert_eq!(canvas("160"), Ok((160, 160)));
        assert_eq!(canvas("640x480"), Ok((640, 480)));
        for wrong in [
            "0",
            "100",
            "640x",
            "x640",
            "640x481",
            "-32",
            "4294967296",
            "8192",
            "fit",
        ] {
            assert!(canvas(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_decimal_unless_they_say_otherwise() {
        let bytes = |text: &str| part_size(text).map(|size| size.0);
        assert_eq!(bytes("60MB"), Ok(60_000_000));
        assert_eq!(bytes("60 mib"), Ok(62_914_560));
        assert_eq!(bytes("1.5GB"), Ok(1_500_000_000));
        assert_eq!(bytes("250000"), Ok(250_000));
        for bad in ["", "MB", "60 apples", "-1MB", "1KB", "0"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
