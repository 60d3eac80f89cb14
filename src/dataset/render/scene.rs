//! A photo: the people in it, where they stand, and the ground truth.

use image::RgbImage;

use super::super::manifest::AnnotatedFace;
use super::{
    backdrop::backdrop,
    canvas::{Canvas, Shape},
    head::Head,
    identity::Identity,
    math::Rgb,
    person::{Person, Rect},
    random::Stream,
    take::{Light, Take, muted_colour},
};

/// The style of a photo.
#[derive(Clone, Debug)]
pub struct SceneStyle {
    /// Pixels, 32 or more.
    pub width: u32,
    /// Pixels, 32 or more.
    pub height: u32,
    /// Number of faces that are tried, 200 at most; those for which there is no space are left out.
    pub faces: usize,
    /// Shortest longer side of a face box in pixels.
    pub smallest: f32,
    /// Longest longer side of a face box in pixels.
    pub largest: f32,
    /// How far heads turn: 1 is up to 25 degrees of yaw and 20 of pitch and roll.
    pub pose: f32,
    /// Share of faces with something in front of their cheek or jaw.
    pub covered: f32,
}

/// More than this many faces are never drawn: an owner is a byte.
const MOST_FACES: usize = 200;

/// How much of a face's box another's outline may take.
const MOST_OVERLAP: f32 = 0.08;

/// The owner of a pixel that shows the backdrop.
const NO_OWNER: u8 = u8::MAX;

/// A person whose body would end inside the photo stands behind a desk: the desk's height below the head's origin and
/// its half width, in head units.
const DESK_TOP: f32 = 3.3;
const DESK_HALF_WIDTH: f32 = 2.05;
/// The front is this much narrower than the board on top.
const DESK_FRONT: f32 = 0.94;

/// A person with a place in the photo.
struct Placed<'a> {
    person: Person<'a>,
    identity: &'a Identity,
    origin: (f32, f32),
    scale: f32,
    light: Light,
    cover: Option<Shape>,
}

impl Placed<'_> {
    fn face(&self) -> Rect {
        self.to_photo(self.person.face)
    }

    fn to_photo(&self, r: Rect) -> Rect {
        [
            self.origin.0 + r[0] * self.scale,
            self.origin.1 + r[1] * self.scale,
            self.origin.0 + r[2] * self.scale,
            self.origin.1 + r[3] * self.scale,
        ]
    }

    /// Head with hair, and the body below it: the areas that hide people behind.
    fn silhouette(&self) -> [Rect; 2] {
        let extent = self.person.extent;
        let half_head = 0.55 * (self.person.face[2] - self.person.face[0]) + 0.22;
        let centre = 0.5 * (self.person.face[0] + self.person.face[2]);
        [
            self.to_photo([centre - half_head, extent[1], centre + half_head, 1.5]),
            self.to_photo([
                extent[0].min(-DESK_HALF_WIDTH),
                1.5,
                extent[2].max(DESK_HALF_WIDTH),
                1e4,
            ]),
        ]
    }
}

/// Renders one photo and its ground truth.
///
/// `people` are those who may appear, each at most once, in this order.
pub(super) fn render(
    s: &mut Stream,
    style: &SceneStyle,
    people: &[Identity],
) -> (RgbImage, Vec<AnnotatedFace>) {
    let (width, height) = (style.width.max(32) as usize, style.height.max(32) as usize);
    let mut canvas = backdrop(s, width, height);
    let light = Light::sample(s);

    let mut sizes: Vec<f32> = (0..style.faces.min(people.len()).min(MOST_FACES))
        .map(|_| s.log_uniform(style.smallest, style.largest.max(style.smallest)))
        .collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    let takes: Vec<Take> = sizes.iter().map(|_| Take::sample(s, style.pose)).collect();
    let heads: Vec<Head<'_>> = people
        .iter()
        .zip(&takes)
        .map(|(who, take)| Head::new(who, take))
        .collect();

    // The nearest first: a later person stands behind and must be visible between them.
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for ((head, identity), size) in heads.iter().zip(people).zip(sizes) {
        let person = Person::pose(head, size);
        let (face_width, face_height) = person.face_size();
        let wanted = size / face_width.max(face_height);
        let Some((origin, scale)) = find_place(s, style, &person, wanted, &placed) else {
            continue;
        };
        let light = light.nearby(s);
        let mut newcomer = Placed {
            person,
            identity,
            origin,
            scale,
            light,
            cover: None,
        };
        newcomer.cover = s.chance(style.covered).then(|| cover(s, newcomer.face()));
        placed.push(newcomer);
    }

    let desks = muted_colour(s) * 0.8;
    let mut owners = vec![NO_OWNER; width * height];
    let mut head_pixels = vec![0_u32; placed.len()];
    for (index, person) in placed.iter().enumerate().rev() {
        draw(s, &mut canvas, &mut owners, index as u8, person, &mut head_pixels);
        stand_behind_desk(&mut canvas, &mut owners, person, desks);
    }

    let spread = if s.chance(0.6) { s.uniform(0.0, 0.26) } else { 0.0 };
    if spread > 0.02 {
        canvas.soften(spread);
    }
    let grain = s.uniform(0.3, 5.0);
    let photo = canvas.develop(grain, s.bits());
    let faces = placed
        .iter()
        .enumerate()
        .map(|(index, person)| truth(person, index as u8, &owners, width, head_pixels[index]))
        .collect();
    (photo, faces)
}

/// Origin and scale at which the face is whole and hardly hidden; people shrink from `wanted` where there is no space.
fn find_place(
    s: &mut Stream,
    style: &SceneStyle,
    person: &Person<'_>,
    wanted: f32,
    nearer: &[Placed<'_>],
) -> Option<((f32, f32), f32)> {
    let (face_width, face_height) = person.face_size();
    let smallest = style.smallest / face_width.max(face_height);
    let mut scale = wanted;
    while scale >= smallest {
        for _ in 0..24 {
            let margin = 3.0;
            let [left, top, right, bottom] = person.face.map(|edge| edge * scale);
            // The hair over the forehead should be in the photo too.
            let headroom = 0.25 * (bottom - top);
            let low = (margin - left, margin + headroom - top);
            let high = (
                style.width as f32 - margin - right,
                style.height as f32 - margin - bottom,
            );
            if low.0 >= high.0 || low.1 >= high.1 {
                break;
            }
            let origin = (s.uniform(low.0, high.0), s.uniform(low.1, high.1));
            let face = [
                origin.0 + left,
                origin.1 + top,
                origin.0 + right,
                origin.1 + bottom,
            ];
            let free = nearer
                .iter()
                .flat_map(Placed::silhouette)
                .all(|hiding| overlap(&face, &hiding) <= MOST_OVERLAP);
            if free {
                return Some((origin, scale));
            }
        }
        scale *= 0.8;
    }
    None
}

/// Share of `face` that `other` covers.
fn overlap(face: &Rect, other: &Rect) -> f32 {
    let width = (face[2].min(other[2]) - face[0].max(other[0])).max(0.0);
    let height = (face[3].min(other[3]) - face[1].max(other[1])).max(0.0);
    width * height / ((face[2] - face[0]) * (face[3] - face[1]))
}

/// An object in front of a cheek or the jaw: a cup, a sheet of paper.
fn cover(s: &mut Stream, face: Rect) -> Shape {
    let (width, height) = (face[2] - face[0], face[3] - face[1]);
    let side = if s.chance(0.5) { -1.0 } else { 1.0 };
    Shape {
        round: s.chance(0.5),
        centre: (
            0.5 * (face[0] + face[2]) + side * width * s.uniform(0.3, 0.5),
            face[1] + height * s.uniform(0.65, 1.0),
        ),
        half: (width * s.uniform(0.12, 0.25), height * s.uniform(0.12, 0.25)),
        turn: (0.0, 1.0),
    }
}

fn draw(
    s: &mut Stream,
    canvas: &mut Canvas,
    owners: &mut [u8],
    index: u8,
    placed: &Placed<'_>,
    head_pixels: &mut [u32],
) {
    let size = (canvas.width, canvas.height);
    let Some(sprite) = placed
        .person
        .draw(placed.origin, placed.scale, size, &placed.light)
    else {
        return;
    };
    canvas.lay(&sprite);
    let face = placed.face();
    for row in 0..sprite.height {
        for column in 0..sprite.width {
            let at = row * sprite.width + column;
            let (x, y) = (sprite.left + column, sprite.top + row);
            if sprite.pixels[at].1 < 0.5 {
                continue;
            }
            let face_pixel = sprite.head[at] && within(&face, x, y);
            owners[y * canvas.width + x] = if face_pixel { index } else { NO_OWNER };
            head_pixels[usize::from(index)] += u32::from(face_pixel);
        }
    }
    if let Some(shape) = &placed.cover {
        let colour = muted_colour(s);
        canvas.fill_marking(
            shape,
            1.0,
            |u, v| colour * (1.0 - 0.2 * u * u - 0.15 * v),
            |pixel| owners[pixel] = NO_OWNER,
        );
    }
}

fn stand_behind_desk(canvas: &mut Canvas, owners: &mut [u8], placed: &Placed<'_>, colour: Rgb) {
    let (x, y) = placed.origin;
    let end = y + placed.person.extent[3] * placed.scale;
    if end > canvas.height as f32 + 2.0 {
        return;
    }
    let colour = colour.tint(placed.light.tint) * placed.light.exposure;
    let half = DESK_FRONT * DESK_HALF_WIDTH * placed.scale;
    let mut hide = |pixel: usize| owners[pixel] = NO_OWNER;
    let top = y + DESK_TOP * placed.scale;
    let thick = 0.22 * placed.scale;
    let front = Shape::rect(x - half, top, x + half, canvas.height as f32 + 4.0);
    let paint = |u: f32, v: f32| {
        let seam = if (u.abs() - 0.33).abs() < 0.012 { 0.75 } else { 1.0 };
        colour * (seam * (1.0 - 0.15 * u * u - 0.2 * v))
    };
    canvas.fill_marking(&front, 1.0, paint, &mut hide);
    let reach = DESK_HALF_WIDTH * placed.scale;
    let board = Shape::rect(x - reach, top - thick, x + reach, top + thick);
    let paint = |_: f32, v: f32| colour * if v < 0.0 { 1.7 } else { 1.2 - 0.4 * v };
    canvas.fill_marking(&board, 1.0, paint, &mut hide);
}

fn within(face: &Rect, x: usize, y: usize) -> bool {
    let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
    x > face[0] && x < face[2] && y > face[1] && y < face[3]
}

fn truth(placed: &Placed<'_>, index: u8, owners: &[u8], width: usize, drawn: u32) -> AnnotatedFace {
    let face = placed.face();
    let columns = face[0].max(0.0) as usize..=(face[2] as usize);
    let mut seen = 0;
    for y in face[1].max(0.0) as usize..=(face[3] as usize) {
        for owner in &owners[y * width..][columns.clone()] {
            seen += u32::from(*owner == index);
        }
    }
    let hundredth = |v: f32| (v * 100.0 + 0.5).floor() / 100.0;
    let bounds = face.map(hundredth);
    AnnotatedFace {
        bounds,
        landmarks: placed.person.landmarks.map(|(x, y)| {
            [
                hundredth(placed.origin.0 + x * placed.scale),
                hundredth(placed.origin.1 + y * placed.scale),
            ]
        }),
        identity: Some(placed.identity.name()),
        size: hundredth((bounds[2] - bounds[0]).max(bounds[3] - bounds[1])),
        occluded: hundredth(1.0 - (seen as f32 / drawn.max(1) as f32).min(1.0)),
    }
}
