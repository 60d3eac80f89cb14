//! One person, posed: surfaces, ground truth, and the sprite that they make.

use super::{
    bust::{bust, ears, follows_head, hair_shell},
    head::Head,
    light::Lighting,
    math::{Rgb, Rotation, Vec3},
    mesh::{Detail, Material, Mesh},
    paint::Painter,
    raster::{DepthBuffer, Projection},
    take::Light,
};

/// Faces longer than this many pixels are cut finely and drawn at one sample per pixel.
const LARGE: f32 = 130.0;

/// The face box leaves out what lies farther round the head than this (radians).
const BOX_AZIMUTH: f32 = 1.35;
/// The forehead reaches to the temples, at this azimuth (radians).
const FOREHEAD_AZIMUTH: f32 = 0.85;
/// What lies below this share of the chin's drop is the underside of the jaw.
const CHIN_SHARE: f32 = 0.975;
/// The face box ends at the hairline, at this height at most.
const BOX_TOP: f32 = 0.72;
/// Nothing throws a shadow on the body below this height.
const LOWEST_SHADOW: f32 = -2.3;
/// Where the tip of the nose is marked above the base of the nose: the one convention taken from real annotators.
const NOSE_MARK: f32 = 0.07;

/// A rectangle as left, top, right, bottom.
pub(super) type Rect = [f32; 4];

/// A posed person, in head units relative to the head's origin, x to the right and y down.
#[derive(Debug)]
pub(super) struct Person<'a> {
    head: &'a Head<'a>,
    meshes: Vec<Mesh>,
    /// The face: forehead to chin, ear to ear.
    pub(super) face: Rect,
    /// Right eye (left in the picture), left eye, nose tip, right and left corner of the mouth.
    pub(super) landmarks: [(f32, f32); 5],
    /// Everything that is drawn.
    pub(super) extent: Rect,
}

/// A drawn person: light with coverage, at whole pixels of the photo.
#[derive(Debug)]
pub(super) struct Sprite {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    /// Light already multiplied by coverage, and coverage.
    pub(super) pixels: Vec<(Rgb, f32)>,
    /// Which pixels show face or hair of the head.
    pub(super) head: Vec<bool>,
}

impl<'a> Person<'a> {
    pub(super) fn pose(head: &'a Head<'a>, size: f32) -> Self {
        let detail = if size > LARGE {
            Detail::Fine
        } else {
            Detail::Coarse
        };
        let (who, take) = (head.who, head.take);
        let turn = Rotation::from_degrees(take.yaw, take.pitch, take.roll);
        let body_turn = Rotation::from_degrees(take.yaw * 0.35, take.pitch * 0.15, take.roll * 0.2);

        let mut head_mesh = head.mesh(detail);
        head_mesh.pose(|p, n| (turn.apply(p), turn.apply(n)));
        let flatten = |p: Vec3| Projection::flatten(p, take.distance);
        let face = face_box(head, &head_mesh, flatten);
        let landmarks = landmarks(head).map(|p| flatten(turn.apply(p)));

        let mut meshes = vec![head_mesh];
        for mut mesh in ears(who, detail).into_iter().chain(hair_shell(who, detail)) {
            mesh.pose(|p, n| (turn.apply(p), turn.apply(n)));
            meshes.push(mesh);
        }
        let mut body = bust(head, detail);
        body.pose(|p, n| {
            let share = follows_head(p.y);
            (
                body_turn.apply(p).mix(turn.apply(p), share),
                body_turn.apply(n).mix(turn.apply(n), share),
            )
        });
        meshes.push(body);
        let extent = enclosing(
            meshes
                .iter()
                .flat_map(|m| &m.vertices)
                .map(|v| flatten(v.position)),
        );
        Self {
            head,
            meshes,
            face,
            landmarks,
            extent,
        }
    }

    /// Width and height of the face in head units.
    pub(super) fn face_size(&self) -> (f32, f32) {
        (self.face[2] - self.face[0], self.face[3] - self.face[1])
    }

    /// Draws the person with its head's origin at `origin`, within a photo of `width` x `height` pixels.
    ///
    /// `scale` is in pixels per head unit.
    pub(super) fn draw(
        &self,
        origin: (f32, f32),
        scale: f32,
        (width, height): (usize, usize),
        light: &Light,
    ) -> Option<Sprite> {
        let (face_width, face_height) = self.face_size();
        let samples = if face_width.max(face_height) * scale > LARGE {
            1
        } else {
            2
        };
        let low = |at: f32, extent: f32| (at + extent * scale - 1.0).floor().max(0.0) as usize;
        let high =
            |at: f32, extent: f32, end: usize| (at + extent * scale + 2.0).clamp(0.0, end as f32) as usize;
        let (left, top) = (low(origin.0, self.extent[0]), low(origin.1, self.extent[1]));
        let right = high(origin.0, self.extent[2], width);
        let bottom = high(origin.1, self.extent[3], height);
        if left >= right || top >= bottom {
            return None;
        }
        let fine = samples as f32;
        let projection = Projection {
            origin: ((origin.0 - left as f32) * fine, (origin.1 - top as f32) * fine),
            scale: scale * fine,
            distance: self.head.take.distance,
        };
        let mut buffer = DepthBuffer::new((right - left) * samples, (bottom - top) * samples);
        for mesh in &self.meshes {
            buffer.draw(mesh, &projection);
        }
        let shaded = self.shade(&buffer, scale * fine, light);
        let (pixels, head) = if samples == 1 {
            smooth_edges(&buffer, &shaded)
        } else {
            halve(&buffer, &shaded)
        };
        Some(Sprite {
            left,
            top,
            width: right - left,
            height: bottom - top,
            pixels,
            head,
        })
    }

    fn shade(&self, buffer: &DepthBuffer, scale: f32, light: &Light) -> Vec<Rgb> {
        let painter = Painter::new(self.head, scale);
        let lighting = Lighting::new(light, scale, buffer.width);
        let mut shaded = Vec::with_capacity(buffer.fragments.len());
        for (index, fragment) in buffer.fragments.iter().enumerate() {
            if fragment.material == Material::Nothing {
                shaded.push(Rgb::ZERO);
                continue;
            }
            let surface = painter.surface(fragment);
            let sheltered = fragment.material != Material::Bust || fragment.rest[1] > LOWEST_SHADOW;
            shaded.push(lighting.shade(buffer, index, fragment.normal, surface, sheltered));
        }
        shaded
    }
}

fn landmarks(head: &Head<'_>) -> [Vec3; 5] {
    let (eyes, layout) = (&head.who.eyes, &head.layout);
    let corner_y = layout.mouth_y + layout.corner_lift;
    [
        head.surface(-eyes.half_gap, eyes.y),
        head.surface(eyes.half_gap, eyes.y),
        head.surface(0.0, layout.nose_y + NOSE_MARK),
        head.surface(-layout.mouth_half_width, corner_y),
        head.surface(layout.mouth_half_width, corner_y),
    ]
}

fn face_box(head: &Head<'_>, mesh: &Mesh, flatten: impl Fn(Vec3) -> (f32, f32)) -> Rect {
    let top = head.forehead_top().min(BOX_TOP);
    let bottom = -CHIN_SHARE * head.who.skull.chin_drop;
    enclosing(
        mesh.vertices
            .iter()
            .filter(|v| {
                let [_, y, azimuth, hair] = v.rest;
                // A fringe hangs over the forehead; the forehead is face all the same.
                let forehead = azimuth.abs() < FOREHEAD_AZIMUTH;
                azimuth.abs() < BOX_AZIMUTH && y > bottom && y < top && (forehead || hair < 0.5)
            })
            .map(|v| flatten(v.position)),
    )
}

fn enclosing(points: impl Iterator<Item = (f32, f32)>) -> Rect {
    points.fold(
        [f32::MAX, f32::MAX, f32::MIN, f32::MIN],
        |[left, top, right, bottom], (x, y)| [left.min(x), top.min(y), right.max(x), bottom.max(y)],
    )
}

type Shaded = (Vec<(Rgb, f32)>, Vec<bool>);

/// Four samples to a pixel.
fn halve(buffer: &DepthBuffer, shaded: &[Rgb]) -> Shaded {
    let (width, height) = (buffer.width / 2, buffer.height / 2);
    let mut pixels = Vec::with_capacity(width * height);
    let mut head = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let first = 2 * y * buffer.width + 2 * x;
            let four = [first, first + 1, first + buffer.width, first + buffer.width + 1];
            let light = four.iter().fold(Vec3::ZERO, |sum, i| sum + shaded[*i]) * 0.25;
            let covered = four
                .iter()
                .filter(|i| buffer.fragments[**i].material != Material::Nothing)
                .count();
            pixels.push((light, covered as f32 * 0.25));
            head.push(buffer.fragments[first].material == Material::Head);
        }
    }
    (pixels, head)
}

/// One sample per pixel; where two materials or material and background meet, the neighbours are averaged.
fn smooth_edges(buffer: &DepthBuffer, shaded: &[Rgb]) -> Shaded {
    let (width, height) = (buffer.width, buffer.height);
    let material = |x: usize, y: usize| buffer.fragments[y * width + x].material;
    let mut pixels = Vec::with_capacity(width * height);
    let mut head = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let here = material(x, y);
            head.push(here == Material::Head);
            let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
            let (up, down) = (y.saturating_sub(1), (y + 1).min(height - 1));
            let edge = here != material(left, y)
                || here != material(right, y)
                || here != material(x, up)
                || here != material(x, down);
            if !edge {
                let covered = if here == Material::Nothing { 0.0 } else { 1.0 };
                pixels.push((shaded[y * width + x], covered));
                continue;
            }
            let (mut light, mut covered) = (Vec3::ZERO, 0.0);
            for (row, wy) in [(up, 0.25), (y, 0.5), (down, 0.25)] {
                for (column, wx) in [(left, 0.25), (x, 0.5), (right, 0.25)] {
                    light = light + shaded[row * width + column] * (wx * wy);
                    if material(column, row) != Material::Nothing {
                        covered += wx * wy;
                    }
                }
            }
            pixels.push((light, covered));
        }
    }
    (pixels, head)
}

#[cfg(test)]
mod tests {
    use super::super::{
        identity::Identity,
        random::{Purpose, Stream},
        take::Take,
    };
    use super::*;

    #[test]
    fn landmarks_lie_in_the_face_and_in_the_usual_order() {
        for number in 0..40 {
            let who = Identity::new(3, number);
            let take = Take::sample(&mut Stream::new(Purpose::Scene, 3, u64::from(number)), 1.0);
            let head = Head::new(&who, &take);
            let person = Person::pose(&head, 60.0);
            let [left, top, right, bottom] = person.face;
            for (x, y) in person.landmarks {
                assert!(x > left && x < right && y > top && y < bottom);
            }
            let [right_eye, left_eye, nose, right_corner, left_corner] = person.landmarks;
            assert!(right_eye.0 < left_eye.0 && right_corner.0 < left_corner.0);
            assert!(nose.1 > 0.5 * (right_eye.1 + left_eye.1));
        }
    }
}
