//! In steady state the pipeline's own stages allocate nothing: a run allocates only what the photo's decoder and the
//! product of matrices allocate by themselves. The networks are stand-ins whose runs allocate nothing.
//!
//! A binary of its own, because the counting allocator serves the whole process.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(
    unsafe_code,
    reason = "the trait of allocators is unsafe; this one only forwards"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    io::Cursor,
    path::Path,
    sync::Arc,
};

use facebench::{
    dataset::render::render_photo,
    model::{
        Family, InputChoice, Role,
        gallery::{Gallery, Matcher},
        network::Network,
    },
    pipeline::{Loading, Networks, Pipeline},
    runtime::{Identity, Output, Runtime, RuntimeError, Session, SessionSettings, Signature, TensorInfo},
    vision::{
        decoder::Decoder,
        encoded::Limits,
        face::{Embedding, Face},
        photo::{DecodedPhoto, Scale},
    },
};
use image::ImageFormat;
use ndarray::{ArrayD, ArrayView4};

/// Counts the allocations of the thread that reads the count.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all requests go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System.alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

const SIDE: usize = 640;
const STRIDES: [usize; 3] = [8, 16, 32];
/// YuNet's twelve outputs: name and columns, those of one stride after the other.
const OUTPUTS: [(&str, usize); 12] = [
    ("cls_8", 1),
    ("obj_8", 1),
    ("bbox_8", 4),
    ("kps_8", 10),
    ("cls_16", 1),
    ("obj_16", 1),
    ("bbox_16", 4),
    ("kps_16", 10),
    ("cls_32", 1),
    ("obj_32", 1),
    ("bbox_32", 4),
    ("kps_32", 10),
];
const EMBEDDING: usize = 128;

/// A detector that sees two faces in every photo.
struct SeesTwo {
    signature: Signature,
    tensors: [ArrayD<f32>; 12],
}

/// A recognizer to whom all faces are one.
struct KnowsOne {
    signature: Signature,
    embedding: ArrayD<f32>,
}

impl Session for SeesTwo {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(
        &mut self,
        _: ArrayView4<'_, f32>,
        read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), RuntimeError> {
        let outputs: [Output<'_>; 12] = std::array::from_fn(|i| Output {
            name: OUTPUTS[i].0,
            values: self.tensors[i].view(),
        });
        read(&outputs);
        Ok(())
    }
}

impl Session for KnowsOne {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(
        &mut self,
        _: ArrayView4<'_, f32>,
        read: &mut dyn FnMut(&[Output<'_>]),
    ) -> Result<(), RuntimeError> {
        read(&[Output {
            name: "embedding",
            values: self.embedding.view(),
        }]);
        Ok(())
    }
}

struct StandIn(Identity);

impl Runtime for StandIn {
    fn load(&self, network: &Path, _: &SessionSettings) -> Result<Box<dyn Session>, RuntimeError> {
        let tensor = |name: &str, shape: &[usize]| TensorInfo {
            name: name.to_owned(),
            shape: shape.iter().map(|side| Some(*side)).collect(),
            is_f32: true,
        };
        if network == Path::new("recognizer") {
            return Ok(Box::new(KnowsOne {
                signature: Signature {
                    inputs: vec![tensor("crop", &[1, 3, 112, 112])],
                    outputs: vec![tensor("embedding", &[1, EMBEDDING])],
                },
                embedding: ArrayD::from_elem(vec![1, EMBEDDING], 0.5),
            }));
        }
        let cells = |index: usize| (SIDE / STRIDES[index / 4]).pow(2);
        let tensors: [ArrayD<f32>; 12] = std::array::from_fn(|index| {
            let mut tensor = ArrayD::zeros(vec![1, cells(index), OUTPUTS[index].1]);
            if OUTPUTS[index].0.ends_with("_16") && OUTPUTS[index].1 == 1 {
                tensor[[0, 210, 0]] = 0.9;
                tensor[[0, 830, 0]] = 0.9;
            }
            if OUTPUTS[index].0 == "kps_16" {
                for point in 0..5 {
                    // Landmarks in one point would have no crop.
                    for cell in [210, 830] {
                        tensor[[0, cell, 2 * point]] = [0.0, 2.0, 1.0, 0.2, 1.8][point];
                        tensor[[0, cell, 2 * point + 1]] = [0.0, 0.0, 1.0, 2.0, 2.0][point];
                    }
                }
            }
            tensor
        });
        Ok(Box::new(SeesTwo {
            signature: Signature {
                inputs: vec![tensor("photo", &[1, 3, SIDE, SIDE])],
                outputs: (0..12)
                    .map(|i| tensor(OUTPUTS[i].0, &[1, cells(i), OUTPUTS[i].1]))
                    .collect(),
            },
            tensors,
        }))
    }

    fn identity(&self) -> &Identity {
        &self.0
    }
}

fn network(name: &str, role: Role, family: Family) -> Network {
    Network {
        name: name.into(),
        role,
        path: name.into(),
        sha256: String::new(),
        external: Vec::new(),
        family: Some(family),
        settings: None,
        own_normalization: None,
        input: InputChoice::default(),
        license: None,
    }
}

#[test]
fn stages_allocate_nothing_once_they_have_run() {
    let runtime = StandIn(Identity {
        runtime: "stand-in",
        version: String::new(),
        provider: "none",
        device: String::new(),
        options: Vec::new(),
    });
    let networks = Networks {
        detector: network("detector", Role::Detector, Family::Yunet),
        recognizer: network("recognizer", Role::Recognizer, Family::Arcface),
        score: None,
        max_pixels: Limits::default().max_pixels,
        swap_channels: false,
    };
    let people = (0..3000).map(|_| (String::new(), Embedding::from_raw(&[0.5; EMBEDDING])));
    let gallery = Arc::new(Gallery::new(people).unwrap());
    let (mut pipeline, _) =
        Pipeline::load(&runtime, &networks, Arc::clone(&gallery), &Loading::default()).unwrap();
    let photos: Vec<Vec<u8>> = [(0, ImageFormat::Jpeg), (1, ImageFormat::Png)]
        .map(|(index, format)| {
            let mut bytes = Cursor::new(Vec::new());
            let pixels = render_photo(1, index).0;
            // Each photo has another size, so that buffers made for one must serve the other.
            let pixels = image::imageops::thumbnail(&pixels, 900 + 200 * index as u32, 700);
            pixels.write_to(&mut bytes, format).unwrap();
            bytes.into_inner()
        })
        .into();
    let mut faces: [Vec<Face>; 1] = [Vec::new()];
    let mut decoder = Decoder::new(Limits::default());
    let mut decoded = DecodedPhoto::default();
    let mut matcher = Matcher::default();
    let probes = [
        Embedding::from_raw(&[0.5; EMBEDDING]),
        Embedding::from_raw(&[0.5; EMBEDDING]),
    ];
    for round in 0..3 {
        for photo in &photos {
            let of_decoder = allocations(|| decoder.decode(photo, |_| Scale::Full, &mut decoded).unwrap());
            let of_product = allocations(|| {
                black_box(matcher.nearest(&gallery, probes.iter()).len());
            });
            let of_run = allocations(|| {
                pipeline.run(&[photo], &mut faces).unwrap();
            });
            assert_eq!(faces[0].len(), 2, "the stages have work");
            assert!(faces[0].iter().all(|face| face.embedding.is_some()));
            // The first round fills the buffers.
            if round > 0 {
                assert_eq!(
                    of_run,
                    of_decoder + of_product,
                    "decoder {of_decoder}, product {of_product}: the rest is the pipeline's"
                );
            }
        }
    }
    // The count itself works.
    assert!(allocations(|| drop(black_box(vec![0u8; 64]))) >= 1);
}
