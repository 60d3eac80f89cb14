//! Triangles to pixels: a depth buffer whose fragments keep what the painter needs to know.

use super::{
    math::Vec3,
    mesh::{Material, Mesh, Vertex},
};

/// The surface visible at one pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment {
    pub(super) material: Material,
    pub(super) normal: Vec3,
    pub(super) rest: [f32; 4],
}

const EMPTY: Fragment = Fragment {
    material: Material::Nothing,
    normal: Vec3::ZERO,
    rest: [0.0; 4],
};

/// Depth where nothing was drawn.
pub(super) const FAR: f32 = -1e9;

/// From head units to pixels of the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Projection {
    /// Where the head's origin falls, in pixels of the buffer.
    pub(super) origin: (f32, f32),
    /// Pixels per head unit at the origin.
    pub(super) scale: f32,
    /// Camera distance in head units.
    pub(super) distance: f32,
}

impl Projection {
    /// Right and down from the head's origin in head units, for a camera at `distance`.
    pub(super) fn flatten(position: Vec3, distance: f32) -> (f32, f32) {
        let nearness = distance / (distance - position.z);
        (position.x * nearness, -position.y * nearness)
    }

    pub(super) fn project(&self, position: Vec3) -> (f32, f32) {
        let (right, down) = Self::flatten(position, self.distance);
        (
            self.origin.0 + right * self.scale,
            self.origin.1 + down * self.scale,
        )
    }
}

/// A picture of surfaces, not yet painted.
#[derive(Debug)]
pub(super) struct DepthBuffer {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Head units towards the camera, [`FAR`] where empty.
    pub(super) depth: Vec<f32>,
    pub(super) fragments: Vec<Fragment>,
}

/// A corner of a triangle in pixels.
struct Corner<'a> {
    x: f32,
    y: f32,
    vertex: &'a Vertex,
}

impl DepthBuffer {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            depth: vec![FAR; width * height],
            fragments: vec![EMPTY; width * height],
        }
    }

    /// The depth `step` pixels after the one at `index`, counted through the rows.
    ///
    /// A step over the left or right end lands on the next row: air, unless the photo's border cuts the person. Then a
    /// shade is wrong, but not visibly.
    pub(super) fn depth_beside(&self, index: usize, step: isize) -> f32 {
        match index.checked_add_signed(step) {
            Some(there) if there < self.depth.len() => self.depth[there],
            _ => FAR,
        }
    }

    /// Draws every triangle of the grid that faces the camera.
    pub(super) fn draw(&mut self, mesh: &Mesh, projection: &Projection) {
        let places: Vec<(f32, f32)> = mesh
            .vertices
            .iter()
            .map(|vertex| projection.project(vertex.position))
            .collect();
        for row in 1..mesh.rows {
            for column in 1..mesh.columns {
                let here = row * mesh.columns + column;
                let below = here - mesh.columns;
                let corner = |index: usize| Corner {
                    x: places[index].0,
                    y: places[index].1,
                    vertex: &mesh.vertices[index],
                };
                self.triangle(mesh.material, &corner(below - 1), &corner(below), &corner(here));
                self.triangle(
                    mesh.material,
                    &corner(below - 1),
                    &corner(here),
                    &corner(here - 1),
                );
            }
        }
    }

    fn triangle(&mut self, material: Material, a: &Corner<'_>, b: &Corner<'_>, c: &Corner<'_>) {
        // Rows run upwards and pixels downwards, so a triangle that faces the camera has a negative area here.
        let area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
        if area >= -1e-6 {
            return;
        }
        let left = a.x.min(b.x).min(c.x);
        let right = a.x.max(b.x).max(c.x);
        let top = a.y.min(b.y).min(c.y);
        let bottom = a.y.max(b.y).max(c.y);
        if right < 0.5 || bottom < 0.5 || left > self.width as f32 || top > self.height as f32 {
            return;
        }
        // Pixel centres are at half coordinates.
        let x_from = (left - 0.5).ceil().max(0.0) as usize;
        let y_from = (top - 0.5).ceil().max(0.0) as usize;
        let x_to = ((right - 0.5).floor() + 1.0).clamp(0.0, self.width as f32) as usize;
        let y_to = ((bottom - 0.5).floor() + 1.0).clamp(0.0, self.height as f32) as usize;
        let inverse = 1.0 / area;
        for y in y_from..y_to {
            let py = y as f32 + 0.5;
            for x in x_from..x_to {
                let px = x as f32 + 0.5;
                let wb = ((px - a.x) * (c.y - a.y) - (py - a.y) * (c.x - a.x)) * inverse;
                let wc = ((b.x - a.x) * (py - a.y) - (b.y - a.y) * (px - a.x)) * inverse;
                let wa = 1.0 - wb - wc;
                if wa < -1e-4 || wb < -1e-4 || wc < -1e-4 {
                    continue;
                }
                let (va, vb, vc) = (a.vertex, b.vertex, c.vertex);
                let depth = va.position.z * wa + vb.position.z * wb + vc.position.z * wc;
                let index = y * self.width + x;
                if depth <= self.depth[index] {
                    continue;
                }
                self.depth[index] = depth;
                let mut rest = [0.0; 4];
                for (k, value) in rest.iter_mut().enumerate() {
                    *value = va.rest[k] * wa + vb.rest[k] * wb + vc.rest[k] * wc;
                }
                self.fragments[index] = Fragment {
                    material,
                    normal: va.normal * wa + vb.normal * wb + vc.normal * wc,
                    rest,
                };
            }
        }
    }
}
