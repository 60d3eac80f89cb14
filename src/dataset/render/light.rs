//! Light on painted surfaces: sky, lamp, gloss, and the shade that surfaces throw on each other.

use super::{
    math::{Rgb, Vec3, floor, vec3},
    paint::Surface,
    raster::DepthBuffer,
    take::Light,
};

/// Lights the fragments of one depth buffer.
#[derive(Debug)]
pub(super) struct Lighting<'a> {
    light: &'a Light,
    halfway: Vec3,
    /// Where hollows are looked for, as steps in the buffer.
    hollow_taps: [isize; 8],
    /// Steps towards the lamp and how much higher the ray is there.
    shadow_taps: [(isize, f32); 7],
}

impl<'a> Lighting<'a> {
    /// For a buffer of `width` pixels, `scale` of them to a head unit.
    pub(super) fn new(light: &'a Light, scale: f32, width: usize) -> Self {
        const RING: [(f32, f32); 8] = [
            (1.0, 0.0),
            (0.7, 0.7),
            (0.0, 1.0),
            (-0.7, 0.7),
            (-1.0, 0.0),
            (-0.7, -0.7),
            (0.0, -1.0),
            (0.7, -0.7),
        ];
        let step = |x: f32, y: f32| {
            let pixels = |units: f32| floor(units * scale + 0.5) as isize;
            pixels(y) * width.cast_signed() + pixels(x)
        };
        let mut near = true;
        let hollow_taps = RING.map(|(x, y)| {
            let radius = if near { 0.07 } else { 0.16 };
            near = !near;
            step(x * radius, y * radius)
        });
        let to_lamp = light.direction;
        let shadow_taps = [0.03, 0.06, 0.1, 0.15, 0.22, 0.32, 0.46].map(|along| {
            let offset = step(to_lamp.x * along, -to_lamp.y * along);
            (offset, to_lamp.z * along)
        });
        Self {
            light,
            halfway: (to_lamp + vec3(0.0, 0.0, 1.0)).normalized(),
            hollow_taps,
            shadow_taps,
        }
    }

    /// The light that leaves the fragment at index `here` towards the camera.
    ///
    /// Only `sheltered` fragments can lie in a hollow or in a shadow.
    pub(super) fn shade(
        &self,
        buffer: &DepthBuffer,
        here: usize,
        normal: Vec3,
        surface: Surface,
        sheltered: bool,
    ) -> Rgb {
        let light = self.light;
        let normal = normal.normalized();
        let (open, lit) = if sheltered {
            (
                self.openness(buffer, here),
                1.0 - 0.75 * self.shadow(buffer, here),
            )
        } else {
            (1.0, 1.0)
        };
        let facing = normal.dot(light.direction);
        // Skin scatters: the terminator is soft.
        let wrapped = ((facing + 0.15) / 1.15).max(0.0);
        let sky = 0.78 + 0.22 * normal.y;
        let diffuse = (light.ambient * sky + (1.05 - 0.6 * light.ambient) * wrapped * lit) * open;
        let half_angle = normal.dot(self.halfway).max(0.0);
        let shine = {
            let p2 = half_angle * half_angle;
            let p4 = p2 * p2;
            let p8 = p4 * p4;
            p8 * p8 * p4
        };
        let gloss = (shine * light.gloss * surface.gloss * lit * open).max(0.0);
        (surface.albedo.tint(light.tint) * diffuse + Vec3::splat(gloss)) * light.exposure
    }

    /// 1 on open surfaces, down to 0.4 in hollows.
    fn openness(&self, buffer: &DepthBuffer, here: usize) -> f32 {
        let depth = buffer.depth[here];
        let mut rise = 0.0;
        for offset in &self.hollow_taps {
            rise += (buffer.depth_beside(here, *offset) - depth).clamp(-0.12, 0.3);
        }
        (1.0 - 0.22 * rise.max(0.0)).clamp(0.4, 1.0)
    }

    /// How much of the lamp is hidden, 0 to 1.
    fn shadow(&self, buffer: &DepthBuffer, here: usize) -> f32 {
        let depth = buffer.depth[here];
        let mut hidden = 0.0;
        for (offset, climb) in &self.shadow_taps {
            let over = buffer.depth_beside(here, *offset) - (depth + climb);
            if over < 0.5 {
                hidden += ((over - 0.012) / 0.06).clamp(0.0, 1.0);
            }
        }
        (hidden * 0.5).min(1.0)
    }
}
