//! The renderer as a whole: the same bytes everywhere, and ground truth that fits the pictures.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;

use super::*;

/// FNV-1a: simple to write again in any language.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn small_style() -> SceneStyle {
    SceneStyle {
        width: 200,
        height: 150,
        faces: 2,
        smallest: 40.0,
        largest: 90.0,
        pose: 1.0,
        covered: 0.5,
    }
}

/// These change with [`RENDERER_VERSION`] and with nothing else: no machine, no build profile.
#[test]
fn pixels_and_files_are_the_known_ones() {
    let (pixels, faces) = render_scene(11, 0, &small_style());
    assert_eq!(faces.len(), 2);
    assert_eq!(fingerprint(pixels.as_raw()), 16_130_939_007_545_912_311);

    let (pixels, truth) = render_photo(11, 3);
    let file = encode_jpeg(&pixels, truth.jpeg_quality).unwrap();
    assert_eq!(fingerprint(&file), 16_414_200_210_285_317_605);
}

#[test]
fn a_dataset_is_the_same_byte_for_byte_and_valid() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let manifest = render_dataset(5, 3, one.path(), || ()).unwrap();
    render_dataset(5, 3, two.path(), || ()).unwrap();
    let names: Vec<_> = fs::read_dir(one.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let read = |folder: &Path| fs::read(folder.join(&name)).unwrap();
        assert_eq!(read(one.path()), read(two.path()));
    }
    let stored = Manifest::read(&one.path().join(manifest::FILE_NAME)).unwrap();
    assert_eq!(stored, manifest);
    for photo in &manifest.photos {
        let size = image::image_dimensions(one.path().join(&photo.file)).unwrap();
        assert_eq!(size, (photo.width, photo.height));
    }
}

#[test]
fn pairs_hold_the_same_people_strangers_and_look_alikes() {
    let names: Vec<manifest::Person> = (0..8)
        .map(|number| manifest::Person {
            name: Identity::new(1, number).name(),
            look_alike_group: look_alike_group(number),
        })
        .collect();
    let face = |number: usize| AnnotatedFace {
        bounds: [0.0, 0.0, 90.0, 100.0],
        landmarks: [[1.0, 1.0]; 5],
        identity: Some(names[number].name.clone()),
        size: 100.0,
        occluded: 0.0,
    };
    let photos: Vec<AnnotatedPhoto> = (0..6)
        .map(|index| AnnotatedPhoto {
            file: format!("{index}.jpg"),
            width: 640,
            height: 480,
            faces: (0..8).map(face).collect(),
        })
        .collect();
    let pairs = pairs::draw_pairs(1, &photos, &names, 60);
    assert_eq!(pairs.iter().filter(|pair| pair.same).count(), 30);
    assert_eq!(pairs.iter().filter(|pair| pair.look_alike).count(), 10);
    assert_eq!(pairs.len(), 60);
    assert!(pairs.iter().all(|pair| !(pair.same && pair.look_alike)));
}

#[test]
fn two_takes_of_one_person_are_two_pictures() {
    let who = Identity::new(2, 9);
    let style = PortraitStyle {
        side: 96,
        smallest: 50.0,
        largest: 60.0,
        pose: 1.0,
        covered: 0.0,
    };
    let (one, face) = render_portrait(&who, 2, 0, &style).unwrap();
    let (two, _) = render_portrait(&who, 2, 1, &style).unwrap();
    assert_ne!(one, two);
    assert_eq!(face.identity, Some(who.name()));
    let cramped = PortraitStyle {
        smallest: 95.0,
        ..style
    };
    assert!(render_portrait(&who, 2, 0, &cramped).is_none());
}

fn assert_truth_fits(width: u32, height: u32, faces: &[AnnotatedFace], smallest: f32, largest: f32) {
    let mut people = BTreeSet::new();
    for face in faces {
        let [left, top, right, bottom] = face.bounds;
        assert!(left >= 0.0 && top >= 0.0, "{face:?}");
        assert!(right <= width as f32 && bottom <= height as f32, "{face:?}");
        // Hundredths are rounded, so the ends may be missed by one.
        assert!(
            face.size >= smallest - 0.02 && face.size <= largest + 0.02,
            "{face:?}"
        );
        assert!((0.0..=1.0).contains(&face.occluded), "{face:?}");
        for [x, y] in face.landmarks {
            assert!(x > left && x < right && y > top && y < bottom, "{face:?}");
        }
        assert!(people.insert(face.identity.clone()), "{face:?} is there twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn truth_fits_any_scene(
        seed in any::<u64>(),
        width in 64_u32..400,
        height in 64_u32..400,
        faces in 0_usize..6,
    ) {
        let style = SceneStyle {
            width,
            height,
            faces,
            smallest: 30.0,
            largest: 120.0,
            pose: 1.0,
            covered: 0.3,
        };
        let (pixels, found) = render_scene(seed, 0, &style);
        prop_assert_eq!((pixels.width(), pixels.height()), (width, height));
        prop_assert!(found.len() <= faces);
        assert_truth_fits(width, height, &found, 30.0, 120.0);
    }

    #[test]
    fn truth_fits_any_photo(seed in any::<u64>(), index in 0_usize..100) {
        let (pixels, truth) = render_photo(seed, index);
        prop_assert!(truth.faces.len() <= 12);
        prop_assert!((50..96).contains(&truth.jpeg_quality));
        assert_truth_fits(pixels.width(), pixels.height(), &truth.faces, 30.0, 400.0);
    }
}
