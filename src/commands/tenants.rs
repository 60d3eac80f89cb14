//! `facebench tenants`: the arms alone first, as a study with all its checks, then so many of them at the same time.

use std::{io::Write, path::Path};

use super::{
    Failure, coordination,
    output::{exit_code, export, show},
    plan::print_plan,
    prepare::PreparedStudy,
    progress::{Progress, notify},
    request::{Layout, StudyRequest},
};
use crate::{
    cli::{CoordinationArgs, TenantsArgs},
    record::{Record, Scenario},
    report::{table, tenants::sentences},
    runtime::{options::DataPath, spec::BackendSpec},
    sharing::{coordinated::MachineResult, coordination::Offer, tenants::SharingPlan},
    study::{StudyError, plan::Plan},
    text::ShownPath,
};

/// Measures, leaves a record and tables; returns the exit status.
pub fn tenants(
    args: TenantsArgs,
    home: &Path,
    argv: Vec<String>,
    out: &mut dyn Write,
) -> Result<u8, Failure> {
    let least_rate = args.least_rate;
    let (request, mut sharing, coordination) = request(args)?;
    let token = coordination::token(&coordination)?;
    let (dry_run, asked, output) = (request.dry_run, request.backends.clone(), request.output.clone());
    let prepared = PreparedStudy::new(request, home)?;
    keep_those_that_run(&mut sharing, &asked, &prepared.plan);
    if dry_run {
        for group in &sharing.groups {
            let label = |arm: &usize| prepared.plan.arms[*arm].label.as_str();
            let labels: Vec<&str> = group.iter().map(label).collect();
            writeln!(out, "tenants: {}", labels.join(" + "))?;
        }
        coordination::announce(&coordination, offer(&sharing), out)?;
        writeln!(out, "after each arm alone:")?;
        return print_plan(&prepared.plan, &prepared.workload, out).map(|()| 0);
    }
    let argv = coordination::without_token(argv);
    let (study, record, mut file) = prepared.into_study("tenants", home, argv)?;
    let name = output.name.as_deref();
    let coordinated = coordination::join(&coordination, token, &study, offer(&sharing), name)?;
    let progress = Progress::of_study(&study.plan);
    let mut save = |record: &Record| file.save(record);
    let MachineResult {
        mut record,
        error,
        load_failed,
    } = if let Some(mut coordinated) = coordinated {
        let participant = &mut coordinated.participant;
        study.run_coordinated(record, &sharing, participant, least_rate, &progress, &mut save)?
    } else {
        let run = study.run(record, &progress, &mut save)?;
        MachineResult {
            record: if study.interruption.is_asked() {
                run.record
            } else {
                study.tenants(run, &sharing, least_rate, &progress, &mut save)?
            },
            error: None,
            load_failed: false,
        }
    };
    progress.finish();
    if let Some(error) = &error {
        notify(&format!(
            "the coordinated run ended early: {error}; what was measured before is kept"
        ));
    }
    if record.arms.is_empty() {
        notify("nothing was measured on this machine, so it leaves no record");
        return Ok(1);
    }
    if error.is_none() {
        study.finish(&mut record);
        file.save(&record).map_err(StudyError::from)?;
    }
    notify(&format!("record: {}", file.path().shown()));
    export(&output.exports, &record, None, &[])?;
    let mut text = table::render(&record);
    for line in sentences(&record) {
        text.push('\n');
        text.push_str(&line);
    }
    if record.tenants.is_some() {
        text.push('\n');
    }
    show(out, &text)?;
    let mut groups = record.tenants.iter().flat_map(|tenants| &tenants.groups);
    let broken = load_failed || groups.any(|group| group.error.is_some());
    Ok(match exit_code(&record) {
        0 | 3 if broken || error.is_some() => 1,
        code => code,
    })
}

/// What this machine offers in a coordinated run.
fn offer(sharing: &SharingPlan) -> Offer {
    Offer {
        tenant_groups: sharing.groups.len(),
        background_load: sharing.background_load,
    }
}

/// The study of the arms alone, and which of them stand side by side.
fn request(args: TenantsArgs) -> Result<(StudyRequest, SharingPlan, CoordinationArgs), Failure> {
    if args.background_load == Some(0.0) {
        return Err(Failure::Usage(
            "--background-load: one that never works is none".to_owned(),
        ));
    }
    let (pinned, background_load) = (args.pin, args.background_load.map(f64::from));
    let several = args.coordination.is_given();
    if several && args.measure.sample.photos.is_some() && args.measure.seed.is_none() {
        return Err(Failure::Usage(
            "--photos takes a sample, which must be the same on all machines: give all of them the same --seed".to_owned(),
        ));
    }
    let (mut arms, mut groups): (Vec<BackendSpec>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
    if args.tenants.is_empty() {
        arms.push(one_of_many(args.backend));
        groups.push(vec![0]);
        if !several {
            let more = args.counts.0.iter().filter(|count| **count > 1);
            groups.extend(more.map(|count| vec![0; *count]));
        }
    } else {
        let mut all = Vec::new();
        for tenant in args.tenants.into_iter().map(one_of_many) {
            let known = arms.iter().position(|arm| arm.requested == tenant.requested);
            all.push(known.unwrap_or(arms.len()));
            if known.is_none() {
                arms.push(tenant);
            }
        }
        groups.extend((0..arms.len()).map(|arm| vec![arm]));
        if all.len() > 1 {
            groups.push(all);
        }
    }
    let mut request = StudyRequest::new(
        arms,
        args.workload.into(),
        Scenario::Offline,
        Layout::STANDARD,
        args.measure,
    );
    request.curve = false;
    request.layout.blocks = 1;
    let sharing = SharingPlan {
        groups,
        pinned,
        background_load,
    };
    Ok((request, sharing, args.coordination))
}

/// Leaves `sharing` the groups whose arms, counted as they were `asked` for, can all run (with --keep-going), and counts
/// them as `plan` does.
fn keep_those_that_run(sharing: &mut SharingPlan, asked: &[BackendSpec], plan: &Plan) {
    let place = |arm: &usize| {
        let requested = &asked[*arm].requested;
        let mut arms = plan.arms.iter();
        arms.position(|arm| arm.spec.requested == *requested)
    };
    let all = sharing.groups.len();
    let there = sharing.groups.iter();
    sharing.groups = there
        .filter_map(|group| group.iter().map(place).collect())
        .collect();
    let missing = all - sharing.groups.len();
    if missing > 0 {
        let (plural, are) = if missing == 1 { ("", "is") } else { ("s", "are") };
        notify(&format!(
            "{missing} tenant group{plural} {are} left out: not all of their arms can run"
        ));
    }
}

/// A tenant takes a part of what all share: on the processor one stream of one thread, unless it says otherwise.
fn one_of_many(mut spec: BackendSpec) -> BackendSpec {
    let open = spec.streams.is_none() && spec.threads.is_none();
    if open && spec.data_path() == DataPath::Host && !spec.is_null() {
        (spec.streams, spec.threads) = (Some(1), Some(1));
    }
    spec
}
