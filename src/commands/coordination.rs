//! The words that keep several machines in step: `--lead`, `--join` and `--start-at`.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use super::{Failure, progress::tell};
use crate::{
    cli::MeetingArgs,
    sharing::coordination::{
        Brings, Meeting,
        participant::{Introduction, Member},
        server::Service,
        timetable::{Appointment, Timetable},
        turns,
    },
    study::{
        Study,
        plan::{Plan, fresh_seed},
    },
};

/// The default of `--slot` beside the work itself: loading networks, on a device planning them too.
const LOADING: Duration = Duration::from_secs(30);
/// The least of `--study-slot` beside the work: nothing is loaded and checked in less.
const CHECKING_LEAST: Duration = Duration::from_secs(1);
/// The default of `--study-slot` beside twice the work: loading, and the check pass.
const CHECKING: Duration = Duration::from_mins(1);

/// A machine in step with others. Dropped in this order: the service outlives its own machine.
pub struct Met {
    /// How it keeps in step.
    pub meeting: Box<dyn Meeting>,
    _service: Option<Service>,
}

/// Meets the other machines; `None` where no other is spoken of.
pub fn meet(
    args: &MeetingArgs,
    study: &Study,
    brings: Brings,
    name: Option<&str>,
) -> Result<Option<Met>, Failure> {
    let introduction = Introduction {
        name: name.map_or_else(machine, str::to_owned),
        brings,
        terms: terms(study),
        key: String::new(),
    };
    let join = |address: &str, introduction| Member::join(address, introduction, &study.interruption, &tell);
    if let (Some(address), Some(machines)) = (args.lead, args.machines) {
        let key = format!("{:016x}{:016x}", fresh_seed(), std::process::id());
        let id = format!("{:08x}{:08x}", fresh_seed() as u32, std::process::id());
        let service = Service::start(address, machines, id, key.clone(), tell)
            .map_err(|source| Failure::Lead { address, source })?;
        let address = service.address();
        tell(&format!(
            "the meeting is at {address}; waiting for {} more: facebench tenants --join HOST:{}",
            machines - 1,
            address.port()
        ));
        let meeting = join(
            &within_reach(address).to_string(),
            Introduction { key, ..introduction },
        )?;
        return Ok(Some(Met {
            meeting: Box::new(meeting),
            _service: Some(service),
        }));
    }
    if let Some(address) = &args.join {
        return Ok(Some(Met {
            meeting: Box::new(join(address, introduction)?),
            _service: None,
        }));
    }
    let Some(appointment) = appointment(args, &study.plan, brings.companies)? else {
        return Ok(None);
    };
    let meeting = Timetable::new(
        Appointment {
            name: introduction.name,
            terms: introduction.terms,
            ..appointment
        },
        &study.interruption,
    );
    Ok(Some(Met {
        meeting: Box::new(meeting),
        _service: None,
    }))
}

/// Prints what a meeting would do.
pub fn announce(args: &MeetingArgs, plan: &Plan, brings: Brings, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(machines) = args.machines {
        writeln!(
            out,
            "then on all {machines} machines at the same time, as far as they come"
        )?;
    }
    if let Some(address) = &args.join {
        writeln!(out, "then together with the machines at {address}")?;
    }
    if let (Some(share), false) = (brings.neighbour, args.is_one()) {
        let percent = share * 100.0;
        writeln!(
            out,
            "then the others beside a load of {percent:.0} % on this machine"
        )?;
    }
    if let Some(appointment) = appointment(args, plan, brings.companies)? {
        timetable(&appointment, plan.processes, out)?;
    }
    Ok(())
}

fn timetable(appointment: &Appointment, rounds: usize, out: &mut dyn Write) -> io::Result<()> {
    let at = |number| {
        let micros = appointment.begins_us(number).cast_signed();
        jiff::Timestamp::from_microsecond(micros).map_or_else(|_| "?".to_owned(), |time| time.to_string())
    };
    let machines = appointment.machines;
    for place in 0..machines {
        let this = if place == appointment.place {
            " (this one)"
        } else {
            ""
        };
        writeln!(out, "{}  machine {place} alone{this}", at(place))?;
    }
    let turns = turns(&vec![appointment.brings(); machines], "", 0).len() * rounds;
    writeln!(
        out,
        "{}  {turns} turns, one every {} s",
        at(machines),
        appointment.slot.as_secs_f64()
    )?;
    writeln!(out, "{}  end", at(machines + turns))
}

/// What `--start-at` says; `None` without it.
fn appointment(args: &MeetingArgs, plan: &Plan, companies: usize) -> Result<Option<Appointment>, Failure> {
    let (Some(start), Some(place)) = (args.start_at, args.place) else {
        return Ok(None);
    };
    if start <= jiff::Timestamp::now() {
        return Err(Failure::Usage(format!(
            "--start-at {start} is past: give all machines a time that leaves you the minutes to start them"
        )));
    }
    let whole = |time: Duration| Duration::from_secs(time.as_secs() + 1);
    let work = plan.lead_in() + plan.duration;
    let appointment = Appointment {
        start_us: u64::try_from(start.as_microsecond()).unwrap_or(0),
        place: place.index,
        machines: place.of,
        name: String::new(),
        companies,
        study_slot: args
            .study_slot
            .unwrap_or_else(|| whole(2 * plan.expected() + CHECKING)),
        slot: args.slot.unwrap_or_else(|| whole(plan.warmup + work + LOADING)),
        warmup: plan.warmup,
        lead_in: plan.lead_in(),
        duration: plan.duration,
        terms: Vec::new(),
    };
    if appointment.study_slot < plan.expected() + CHECKING_LEAST {
        return Err(Failure::Usage(format!(
            "--study-slot {}s: measuring alone takes {:.1} s, and loading and the check pass need some seconds more",
            appointment.study_slot.as_secs_f64(),
            plan.expected().as_secs_f64()
        )));
    }
    let least = plan.warmup + Duration::from_secs(1);
    if appointment.preparation().is_none_or(|time| time < least) {
        return Err(Failure::Usage(format!(
            "--slot {}s: warming up and working take {:.1} s, and loading and ending need some seconds more",
            appointment.slot.as_secs_f64(),
            (plan.warmup + work).as_secs_f64()
        )));
    }
    Ok(Some(appointment))
}

/// What must be the same on all machines for their figures to be of the same work.
fn terms(study: &Study) -> Vec<(String, String)> {
    let plan = &study.plan;
    let seconds = |time: Duration| format!("{} s", time.as_secs_f64());
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let mut terms = vec![
        ("facebench's version", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "the photos",
            format!(
                "{} of {}",
                study.dataset.photos.len(),
                short(&study.dataset.sha256())
            ),
        ),
        ("--duration", seconds(plan.duration)),
        ("--warmup", seconds(plan.warmup)),
        ("--processes", plan.processes.to_string()),
        (
            "--latency-bound",
            format!("{} ms at p{}", plan.bound.ms, plan.bound.percentile),
        ),
    ];
    if let Some(networks) = &study.networks {
        terms.push(("the detector", short(&networks.detector.sha256)));
        terms.push(("the recognizer", short(&networks.recognizer.sha256)));
        let score = networks
            .score
            .map_or("its own".to_owned(), |score| score.to_string());
        terms.push(("the score threshold", score));
    }
    terms
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// What this machine calls itself.
fn machine() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = String::new();
    if name.is_empty() {
        "machine".to_owned()
    } else {
        name
    }
}

/// Where this machine reaches a service that listens on `address`, which may mean every address.
fn within_reach(address: SocketAddr) -> SocketAddr {
    let local = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(local, address.port())
}
