//! The colour of each point of a person, before any light falls on it.

mod cloth;
mod eyes;
mod hair;
mod mouth;
mod skin;

use super::{
    head::Head,
    identity::Identity,
    math::{Rgb, vec3},
    mesh::Material,
    raster::Fragment,
};

/// Colour and shine of a point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surface {
    pub(super) albedo: Rgb,
    /// Factor on the light's gloss.
    pub(super) gloss: f32,
}

impl Surface {
    const fn new(albedo: Rgb, gloss: f32) -> Self {
        Self { albedo, gloss }
    }

    /// Covers the surface with `colour` to the given share.
    fn cover(&mut self, colour: Rgb, share: f32) {
        self.albedo = self.albedo.mix(colour, share);
    }

    /// Takes `share` of the light away.
    fn darken(&mut self, share: f32) {
        self.albedo = self.albedo * (1.0 - share);
    }
}

/// A point on the face in its rest coordinates.
#[derive(Clone, Copy, Debug)]
struct Spot {
    x: f32,
    /// Distance from the face's middle line.
    ax: f32,
    y: f32,
    azimuth: f32,
}

/// Paints one person at one scale.
#[derive(Debug)]
pub(super) struct Painter<'a> {
    head: &'a Head<'a>,
    /// Softness of painted edges in head units, about half a pixel.
    edge: f32,
    lips: Rgb,
    strands: Rgb,
    brow: Rgb,
}

/// Brows are as dark as the hair or darker, and always darker than the skin.
fn brow_colour(who: &Identity) -> Rgb {
    let hair = who.hair.colour * 0.8;
    let brightest = hair.x.max(hair.y).max(hair.z);
    let toned = hair * (0.24 / brightest).min(1.0);
    toned.min(who.skin.colour * 0.5)
}

impl<'a> Painter<'a> {
    /// `scale`: pixels per head unit.
    pub(super) fn new(head: &'a Head<'a>, scale: f32) -> Self {
        let who = head.who;
        let natural = who.skin.colour.tint(vec3(1.0, 0.72, 0.74)) * who.mouth.darkness;
        let rouge = vec3(0.42, 0.05, 0.07) * who.mouth.darkness;
        Self {
            head,
            edge: (0.5 / scale).max(0.006),
            lips: natural.mix(rouge, (0.45 * who.mouth.redness).min(0.75)),
            strands: who.hair.colour,
            brow: brow_colour(who),
        }
    }

    pub(super) fn surface(&self, fragment: &Fragment) -> Surface {
        let [x, y, azimuth, hair] = fragment.rest;
        match fragment.material {
            Material::Nothing => Surface::new(Rgb::ZERO, 0.0),
            Material::Head => self.head_surface(x, y, azimuth, hair),
            Material::Ear => self.ear(x, y),
            Material::HairShell => self.hair_at(azimuth, y, 0.85),
            Material::Bust => self.bust(x, y, azimuth),
        }
    }

    fn head_surface(&self, x: f32, y: f32, azimuth: f32, hair: f32) -> Surface {
        if hair >= 0.999 {
            return self.hair_at(azimuth, y, 1.0);
        }
        let spot = Spot {
            x,
            ax: x.abs(),
            y,
            azimuth,
        };
        let mut surface = self.bare_skin(spot);
        if azimuth.abs() < 1.5 {
            self.paint_beard(spot, &mut surface);
            self.paint_mouth(spot, &mut surface);
            self.paint_eye(spot, &mut surface);
        }
        self.paint_glasses(spot, &mut surface);
        if hair > 0.0 {
            let strands = self.hair_at(azimuth, y, 1.0);
            surface.cover(strands.albedo, hair);
            surface.gloss *= 1.0 - 0.5 * hair;
        }
        surface
    }
}
