//! The options that keep several machines in step: `--lead`, `--join` and their token.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use super::{Failure, progress::notify};
use crate::{
    cli::CoordinationArgs,
    sharing::coordination::{
        Hello, Offer,
        auth::Token,
        participant::Participant,
        server::{BarrierServer, Settings},
    },
    study::{Study, plan::fresh_seed},
    text::ShownPath,
};

/// The environment variable of the token.
const TOKEN_VARIABLE: &str = "FACEBENCH_TOKEN";

/// A machine in step with others. Dropped in this order: the server outlives its own machine.
pub struct Coordinated {
    /// Its part.
    pub participant: Participant,
    _server: Option<BarrierServer>,
}

/// Joins the other machines, or leads them; `None` where `args` name no other.
pub fn join(
    args: &CoordinationArgs,
    token: Option<Token>,
    study: &Study,
    offer: Offer,
    name: Option<&str>,
) -> Result<Option<Coordinated>, Failure> {
    let hello = Hello {
        name: name.map_or_else(machine, str::to_owned),
        offer,
        terms: terms(study),
    };
    let join = |address: &str, token: &Token| {
        Participant::join(address, token, &hello, &study.interruption, &notify)
    };
    if let (Some(address), Some(machines)) = (args.lead, args.machines) {
        let (server, own) = lead(address, machines, token)?;
        let participant = join(&within_reach(server.address()).to_string(), &own)?;
        return Ok(Some(Coordinated {
            participant,
            _server: Some(server),
        }));
    }
    let (Some(address), Some(token)) = (&args.join, token) else {
        return Ok(None);
    };
    Ok(Some(Coordinated {
        participant: join(address, &token)?,
        _server: None,
    }))
}

/// Listens for the other machines, and says how they come: with the token that was `given`, else with a random one. The
/// server, and the token of its own machine.
fn lead(
    address: SocketAddr,
    machines: usize,
    given: Option<Token>,
) -> Result<(BarrierServer, Token), Failure> {
    let failed = |source| Failure::Lead { address, source };
    let own = Token::random().map_err(failed)?;
    let mut how = ", with the same token".to_owned();
    let token = match given {
        Some(token) => token,
        None => Token::random()
            .map_err(failed)
            .inspect(|token| how = format!(" --token {}", token.text()))?,
    };
    let settings = Settings {
        id: format!("{:08x}{:08x}", fresh_seed() as u32, std::process::id()),
        count: machines,
        token,
        own: own.clone(),
    };
    let server = BarrierServer::start(address, settings, notify).map_err(failed)?;
    notify(&format!(
        "listening at {}; waiting for {} more: facebench tenants --join HOST:{}{how}",
        server.address(),
        machines - 1,
        server.address().port()
    ));
    Ok((server, own))
}

/// The token that the user gives, by an option or else in the environment. Without --lead or --join there is none.
pub fn token(args: &CoordinationArgs) -> Result<Option<Token>, Failure> {
    if !args.is_given() {
        return Ok(None);
    }
    let (source, text) = if let Some(text) = &args.token {
        ("--token".to_owned(), text.clone())
    } else if let Some(path) = &args.token_file {
        (format!("--token-file {}", path.shown()), read_token(path)?)
    } else if let Some(text) = std::env::var_os(TOKEN_VARIABLE).filter(|text| !text.is_empty()) {
        (TOKEN_VARIABLE.to_owned(), text.to_string_lossy().into_owned())
    } else if args.join.is_some() {
        return Err(Failure::Usage(format!(
            "--join needs the token of the machine with --lead: --token-file FILE, {TOKEN_VARIABLE} in the environment, or \
             --token"
        )));
    } else {
        return Ok(None);
    };
    let token = Token::parse(&text).map_err(|reason| Failure::Usage(format!("{source}: {reason}")))?;
    Ok(Some(token))
}

fn read_token(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::Input {
        path: path.to_path_buf(),
        source,
        fix: "give a file that holds the token alone",
    })
}

/// The command line as it may be kept: without the token.
pub fn without_token(argv: Vec<String>) -> Vec<String> {
    let mut is_token = false;
    let kept = argv.into_iter().map(|word| {
        if std::mem::replace(&mut is_token, word == "--token") {
            "REDACTED".to_owned()
        } else if word.starts_with("--token=") {
            "--token=REDACTED".to_owned()
        } else {
            word
        }
    });
    kept.collect()
}

/// Prints what a coordinated run would do.
pub fn announce(args: &CoordinationArgs, offer: Offer, out: &mut dyn Write) -> Result<(), Failure> {
    if let Some(machines) = args.machines {
        writeln!(
            out,
            "then on all {machines} machines at the same time, as far as they come"
        )?;
    }
    if let Some(address) = &args.join {
        writeln!(out, "then together with the machines at {address}")?;
    }
    if let (Some(share), true) = (offer.background_load, args.is_given()) {
        let percent = share * 100.0;
        writeln!(
            out,
            "then the others beside a background load of {percent:.0} % on this machine"
        )?;
    }
    Ok(())
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

/// Where this machine reaches a server that listens on `address`, which may mean every address.
fn within_reach(address: SocketAddr) -> SocketAddr {
    let local = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(local, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_the_token_is_kept() {
        let kept = |words: &str| without_token(words.split(' ').map(str::to_owned).collect()).join(" ");
        assert_eq!(
            kept("facebench tenants --token secret --join vm0:1"),
            "facebench tenants --token REDACTED --join vm0:1"
        );
        assert_eq!(
            kept("tenants --token=secret -b cpu"),
            "tenants --token=REDACTED -b cpu"
        );
        assert_eq!(kept("tenants --token --token"), "tenants --token REDACTED");
        assert_eq!(
            kept("tenants --token-file f -b cpu"),
            "tenants --token-file f -b cpu"
        );
    }
}
