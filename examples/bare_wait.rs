//! A bare loop over `null`'s delay, for scripts/verify-measurement: what a harness without any cost would measure.
//! `bare_wait 10ms 4s` prints how many delays a second it completed.

use std::time::{Duration, Instant};

use facebench::runtime::{null::wait, values::parse_duration};

fn main() -> Result<(), String> {
    let mut durations = std::env::args().skip(1).map(|text| parse_duration(&text));
    let mut next = |name: &str| {
        durations
            .next()
            .unwrap_or_else(|| Err(format!("{name} is missing")))
    };
    let (delay, least): (Duration, Duration) = (next("the delay")?, next("the time")?);
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < least {
        wait(delay);
        count += 1;
    }
    println!("{}", f64::from(count) / started.elapsed().as_secs_f64());
    Ok(())
}
