//! `facebench faces`: what the pipeline sees in photos, as JSON lines and as photos with boxes and names.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Failure, cpu, progress::notify, request::NetworkRequest, workload::networks};
use crate::{
    cli::FacesArgs,
    dataset::{Photo, Survey, identities::identities},
    model::{ModelError, gallery::Gallery},
    pipeline::{Loading, Networks, Pipeline, PipelineError},
    record::Host,
    runtime::{Runtime, RuntimeError},
    study::StudyError,
    text::{ShownPath, visible},
    vision::{
        decoder::decode,
        draw::{draw_face, undrawable},
        encoded::Limits,
        face::{Embedding, Face},
    },
    worker::{
        load_generator::{Closed, Schedule},
        parallel::on_each,
    },
};

/// Lowest cosine at which two faces are the same person, if the network has no published one.
const MATCH_THRESHOLD: f32 = 0.4;

/// The name of a face that is not in the gallery.
const UNKNOWN: &str = "unknown";

/// One line of the answer.
#[derive(Serialize)]
struct Line<'a> {
    photo: &'a str,
    width: u32,
    height: u32,
    faces: Vec<Named<'a>>,
}

/// A face, with a name where there is a gallery.
#[derive(Serialize)]
struct Named<'a> {
    #[serde(flatten)]
    face: &'a Face,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cosine: Option<f32>,
}

/// Writes one JSON line per photo to `out` (unless only --draw is given) and the drawn photos to `--draw`.
pub fn faces(args: FacesArgs, home: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let request = NetworkRequest::from(args.networks);
    let networks = networks(&request, home)?;
    let runtime = cpu(home)?;
    let mut photos = Vec::new();
    let mut skipped = 0;
    for input in &args.inputs {
        let survey = Survey::of(input, request.limits)?;
        for (name, reason) in survey.skipped {
            skip(request.strict, &name, &reason, &mut skipped)?;
        }
        let several = args.inputs.len() > 1 && input.is_dir();
        photos.extend(survey.dataset.photos.into_iter().map(|mut photo| {
            if several {
                // Two folders may hold photos of one name.
                photo.name = format!("{}/{}", survey.dataset.name, photo.name);
            }
            photo
        }));
    }
    let threshold = args
        .match_threshold
        .or(networks
            .recognizer
            .settings
            .and_then(|settings| settings.match_threshold))
        .unwrap_or(MATCH_THRESHOLD);
    let gallery = match &args.gallery {
        Some(folder) => Some(enrol(folder, request.limits, &runtime, &networks)?),
        None => None,
    };
    if let Some(folder) = &args.draw {
        if let Some(gallery) = &gallery {
            note_undrawable(gallery);
        }
        std::fs::create_dir_all(folder).map_err(Failure::output(folder))?;
    }
    let mut done = 0;
    each(&runtime, &networks, &photos, &mut |photo, answer| {
        let faces = match answer {
            Ok(faces) => faces,
            Err(reason) => return skip(request.strict, &photo.name, &reason, &mut skipped),
        };
        done += 1;
        let named: Vec<Named<'_>> = faces
            .iter()
            .map(|face| name(face, gallery.as_ref(), threshold))
            .collect();
        if let Some(folder) = &args.draw {
            draw(photo, &named, folder, request.limits)?;
        }
        if args.json || args.draw.is_none() {
            let line = Line {
                photo: &photo.name,
                width: photo.width,
                height: photo.height,
                faces: named,
            };
            serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Ok(())
    })?;
    out.flush()?;
    if done == 0 {
        return Err(Failure::Photo("no photo could be read".to_owned()));
    }
    if skipped > 0 {
        notify(&format!("{done} photos, {skipped} files skipped"));
    }
    Ok(())
}

fn skip(strict: bool, name: &str, reason: &str, skipped: &mut usize) -> Result<(), Failure> {
    if strict {
        let (photo, reason) = (name.to_owned(), reason.to_owned());
        return Err(StudyError::Strict { photo, reason }.into());
    }
    notify(&format!("skipped {}: {}", visible(name), visible(reason)));
    *skipped += 1;
    Ok(())
}

fn name<'a>(face: &'a Face, gallery: Option<&'a Gallery>, threshold: f32) -> Named<'a> {
    let nearest = gallery
        .zip(face.embedding.as_ref())
        .and_then(|(gallery, face)| gallery.nearest(face));
    Named {
        face,
        name: nearest.map(|nearest| {
            if nearest.cosine >= threshold {
                nearest.name
            } else {
                UNKNOWN
            }
        }),
        cosine: nearest.map(|nearest| nearest.cosine),
    }
}

/// Enrols the largest face of each named photo in `folder`.
fn enrol(
    folder: &Path,
    limits: Limits,
    runtime: &dyn Runtime,
    networks: &Networks,
) -> Result<Gallery, Failure> {
    let survey = Survey::of(folder, limits)?;
    let left_out = |photo: &str, why: &str| notify(&format!("gallery: skipped {}: {why}", visible(photo)));
    for (photo, reason) in &survey.skipped {
        left_out(photo, reason);
    }
    let people = identities(folder, &survey.dataset)?;
    let (photos, unnamed): (Vec<Photo>, Vec<Photo>) = survey
        .dataset
        .photos
        .into_iter()
        .partition(|photo| people.contains_key(&photo.name));
    for photo in &unnamed {
        left_out(&photo.name, "nothing says whose it is");
    }
    let mut enrolled: Vec<(String, Embedding)> = Vec::new();
    each(runtime, networks, &photos, &mut |photo, answer| {
        let faces = match answer {
            Ok(faces) => faces,
            Err(reason) => {
                left_out(&photo.name, &reason);
                return Ok(());
            }
        };
        let largest = faces.into_iter().max_by(|a, b| {
            a.detection
                .bounding_box
                .area()
                .total_cmp(&b.detection.bounding_box.area())
        });
        match (largest.and_then(|face| face.embedding), people.get(&photo.name)) {
            (Some(embedding), Some(person)) => enrolled.push((person.clone(), embedding)),
            _ => left_out(&photo.name, "no face is found in it"),
        }
        Ok(())
    })?;
    let known: BTreeSet<&str> = enrolled.iter().map(|(person, _)| person.as_str()).collect();
    let wanted: BTreeSet<&str> = people.values().map(String::as_str).collect();
    if known.is_empty() {
        return Err(Failure::Photo(format!(
            "{}: the gallery is empty, for no face is found in its {} photos: give photos with one clear face each, or \
             a lower --score",
            folder.shown(),
            photos.len()
        )));
    }
    for person in wanted.difference(&known) {
        notify(&format!("gallery: no face of {} is known", visible(person)));
    }
    Gallery::new(enrolled).map_err(|error| Failure::Photo(format!("{}: {error}", folder.shown())))
}

/// Says which names have characters that captions cannot show as they are.
fn note_undrawable(gallery: &Gallery) {
    let names: BTreeSet<&str> = gallery.names().collect();
    for name in names {
        let missing: Vec<String> = undrawable(name)
            .into_iter()
            .map(|letter| format!("U+{:X}", u32::from(letter)))
            .collect();
        if !missing.is_empty() {
            notify(&format!(
                "captions spell what the program has no letter for: {} in {}",
                missing.join(", "),
                visible(name)
            ));
        }
    }
}

fn draw(photo: &Photo, faces: &[Named<'_>], folder: &Path, limits: Limits) -> Result<(), Failure> {
    let unreadable = |reason: String| Failure::Photo(format!("{}: {reason}", photo.name));
    let bytes = std::fs::read(&photo.path).map_err(|e| unreadable(e.to_string()))?;
    let mut picture = decode(&bytes, limits).map_err(|e| unreadable(e.to_string()))?;
    for named in faces.iter().rev() {
        let score = format!("{:.2}", named.face.detection.score);
        let caption = match (named.name, named.cosine) {
            // Long captions would hide a crowd of unknown faces.
            (Some(UNKNOWN), _) => "?".to_owned(),
            (Some(name), Some(cosine)) => format!("{name} {cosine:.2}"),
            _ => score,
        };
        draw_face(&mut picture, named.face, &caption);
    }
    let path: PathBuf = folder.join(drawn_name(&photo.name));
    let written = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .map_err(image::ImageError::IoError);
    written
        .and_then(|()| picture.save_with_format(&path, image::ImageFormat::Png))
        .map_err(|error| Failure::Output {
            path: path.clone(),
            source: std::io::Error::other(error.to_string()),
        })
}

/// The name of the drawn photo. It keeps the photo's ending, so that a.jpg and a.png do not overwrite each other. Where that
/// is longer than file names may be, a hash stands for the end of it.
fn drawn_name(photo: &str) -> String {
    /// Most bytes that file systems allow.
    const LONGEST: usize = 255;
    let (folder, name) = photo
        .rsplit_once('/')
        .map_or(("", photo), |(folder, name)| (folder, name));
    let mut drawn = format!("{name}.png");
    if drawn.len() > LONGEST {
        let hash = base16ct::lower::encode_string(&Sha256::digest(name)[..8]);
        let end = format!("-{hash}.png");
        drawn = name[..name.floor_char_boundary(LONGEST - end.len())].to_owned() + &end;
    }
    if folder.is_empty() {
        drawn
    } else {
        format!("{folder}/{drawn}")
    }
}

type Answer = Result<Vec<Face>, String>;

/// Recognises `photos` on all cores and gives each answer to `then`, in the order of the photos.
fn each(
    runtime: &dyn Runtime,
    networks: &Networks,
    photos: &[Photo],
    then: &mut dyn FnMut(&Photo, Answer) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let streams = Host::current().cpu.usable_cores().min(photos.len()).max(1);
    let schedule = Closed::one_pass(photos.len(), 1);
    let gallery = Arc::new(Gallery::default());
    let loading = Loading {
        threads: 1,
        ..Loading::default()
    };
    let recognise_some = |sender: SyncSender<(usize, Answer)>| -> Result<(), Failure> {
        let (mut pipeline, _) = Pipeline::load(runtime, networks, Arc::clone(&gallery), &loading)?;
        while let Some(batch) = schedule.next_batch()? {
            let index = batch.photos.start;
            let answer = recognise(&mut pipeline, &photos[index])?;
            // Whoever takes the answers has ended with an error.
            if sender.send((index, answer)).is_err() {
                break;
            }
        }
        Ok(())
    };
    let (sender, answers) = mpsc::sync_channel(streams * 2);
    on_each(
        vec![sender; streams],
        |sender| recognise_some(sender).inspect_err(|_| schedule.stop()),
        |_| in_order(answers, |index, answer| then(&photos[index], answer)),
    )
    .map(drop)
}

/// Gives `answers`, which come in any order, to `then` in the order of their numbers from 0.
fn in_order(
    answers: Receiver<(usize, Answer)>,
    mut then: impl FnMut(usize, Answer) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut waiting: BTreeMap<usize, Answer> = BTreeMap::new();
    let mut turn = 0;
    for (index, answer) in answers {
        waiting.insert(index, answer);
        while let Some(answer) = waiting.remove(&turn) {
            then(turn, answer)?;
            turn += 1;
        }
    }
    Ok(())
}

/// The faces of one photo; the outer error is a network's and ends everything.
fn recognise(pipeline: &mut Pipeline, photo: &Photo) -> Result<Answer, ModelError> {
    let bytes = match std::fs::read(&photo.path) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut faces = [Vec::new()];
    match pipeline.run(&[bytes], &mut faces) {
        Ok(_) => Ok(Ok(std::mem::take(&mut faces[0]))),
        Err(PipelineError::Photo(error)) => Ok(Err(error.to_string())),
        Err(PipelineError::Model(error)) => Err(error),
    }
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        Self::Model(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::drawn_name;

    #[test]
    fn drawn_photos_have_names_that_file_systems_take() {
        assert_eq!(drawn_name("a/b.jpg"), "a/b.jpg.png");
        let long = |last: char| format!("{}{last}.jpg", "é".repeat(124));
        let names = ['a', 'b'].map(|last| drawn_name(&format!("folder/{}", long(last))));
        assert_ne!(names[0], names[1]);
        for name in names {
            let name = name.strip_prefix("folder/").unwrap();
            let name = name.strip_suffix(".png").unwrap();
            assert!(name.len() <= 251, "{name}");
            assert!(name.starts_with(&"é".repeat(116)), "{name}");
        }
    }
}
