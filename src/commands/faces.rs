//! `facebench faces`: what the pipeline sees in photos, as JSON lines and as photos with boxes and names.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{
    Failure,
    progress::notify,
    recognition::{Answer, recognize},
    request::NetworkRequest,
    workload::networks,
};
use crate::{
    analysis::likeness,
    cli::FacesArgs,
    dataset::{Photo, Survey, identities::identities},
    model::gallery::Gallery,
    record::Outcome,
    runtime::RuntimeError,
    study::StudyError,
    text::{ShownPath, visible},
    vision::{
        decoder::decode,
        draw::{draw_face, undrawable},
        encoded::Limits,
        face::{Embedding, Face},
    },
};

/// Faces of the first photos that are kept, to see whether all look alike.
const COMPARED: usize = 200;

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
    let mut enrolment = match &args.gallery {
        Some(folder) => Some(Enrolment::of(folder, request.limits)?),
        None => None,
    };
    if let Some(folder) = &args.draw {
        std::fs::create_dir_all(folder).map_err(Failure::output(folder))?;
    }
    // The gallery's photos come first: one worker answers both.
    let first = enrolment.as_ref().map_or(0, |enrolment| enrolment.photos.len());
    let enrolled = enrolment.iter().flat_map(|enrolment| &enrolment.photos);
    let paths = enrolled.chain(&photos).map(|photo| photo.path.clone());
    let (mut done, mut gallery, mut seen) = (0, None, Vec::new());
    recognize(
        paths.collect(),
        &networks,
        args.patience,
        home,
        &mut |number, answer| {
            let Some(number) = number.checked_sub(first) else {
                if let Some(enrolment) = &mut enrolment {
                    enrolment.take(number, answer);
                }
                return Ok(());
            };
            if let Some(enrolment) = enrolment.take() {
                let known = enrolment.gallery()?;
                if args.draw.is_some() {
                    note_undrawable(&known);
                }
                gallery = Some(known);
            }
            let photo = &photos[number];
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
            let room = COMPARED.saturating_sub(seen.len());
            seen.extend(faces.into_iter().take(room));
            Ok(())
        },
    )?;
    out.flush()?;
    if done == 0 {
        return Err(Failure::Photo("no photo could be read".to_owned()));
    }
    if skipped > 0 {
        notify(&format!("{done} photos, {skipped} files skipped"));
    }
    warn_of_likeness(&seen, &networks.recognizer.name);
    Ok(())
}

/// Says so where the embeddings distinguish no persons.
fn warn_of_likeness(faces: &[Face], recognizer: &str) {
    let check = likeness::check(&likeness::between(&faces.iter().collect::<Vec<_>>()));
    if check.outcome == Outcome::Failed {
        notify(&format!(
            "warning: {recognizer}: all faces look alike ({}): {}",
            check.observed, check.advice
        ));
    }
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

/// Named photos, whose largest faces are enrolled.
struct Enrolment<'a> {
    folder: &'a Path,
    photos: Vec<Photo>,
    people: BTreeMap<String, String>,
    enrolled: Vec<(String, Embedding)>,
}

impl<'a> Enrolment<'a> {
    /// The named photos of `folder`.
    fn of(folder: &'a Path, limits: Limits) -> Result<Self, Failure> {
        let survey = Survey::of(folder, limits)?;
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
        Ok(Self {
            folder,
            photos,
            people,
            enrolled: Vec::new(),
        })
    }

    /// Enrols the largest face that was seen in the photo of that number.
    fn take(&mut self, number: usize, answer: Answer) {
        let name = &self.photos[number].name;
        let faces = match answer {
            Ok(faces) => faces,
            Err(reason) => return left_out(name, &reason),
        };
        let area = |face: &Face| face.detection.bounding_box.area();
        let largest = faces.into_iter().max_by(|a, b| area(a).total_cmp(&area(b)));
        match (largest.and_then(|face| face.embedding), self.people.get(name)) {
            (Some(embedding), Some(person)) => self.enrolled.push((person.clone(), embedding)),
            _ => left_out(name, "no face is found in it"),
        }
    }

    /// All that were enrolled; an error where nobody was.
    fn gallery(self) -> Result<Gallery, Failure> {
        let known: BTreeSet<&str> = self.enrolled.iter().map(|(person, _)| person.as_str()).collect();
        let wanted: BTreeSet<&str> = self.people.values().map(String::as_str).collect();
        if known.is_empty() {
            return Err(Failure::Photo(format!(
                "{}: the gallery is empty, for no face is found in its {} photos: give photos with one clear face each, or \
                 a lower --score",
                self.folder.shown(),
                self.photos.len()
            )));
        }
        for person in wanted.difference(&known) {
            notify(&format!("gallery: no face of {} is known", visible(person)));
        }
        Gallery::new(self.enrolled)
            .map_err(|error| Failure::Photo(format!("{}: {error}", self.folder.shown())))
    }
}

fn left_out(photo: &str, why: &str) {
    notify(&format!("gallery: skipped {}: {why}", visible(photo)));
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
