//! The parts around the head: ears, long hair, neck, shoulders and the body below them.

use std::f32::consts::PI;

use super::{
    head::Head,
    identity::{Cut, Identity},
    math::{lerp, noise, pow, sin_turns, vec3},
    mesh::{Detail, Material, Mesh},
};

/// A station of the body's outline: height, half width, half depth.
type Station = (f32, f32, f32);

/// The length of a body below the head, in head units.
pub(super) const BODY_BOTTOM: f32 = -5.0;

/// Both ears, where the hair does not cover them.
pub(super) fn ears(who: &Identity, detail: Detail) -> Vec<Mesh> {
    if matches!(who.hair.cut, Cut::Long | Cut::LongFringe) {
        return Vec::new();
    }
    let (columns, rows) = detail.limb_grid();
    let skull = &who.skull;
    let radii = vec3(skull.ear_stick_out, skull.ear_height, 0.12);
    [-1.0_f32, 1.0]
        .into_iter()
        .map(|side| {
            let centre = vec3(side * skull.half_width * 0.985, -0.06, -0.06);
            Mesh::build(Material::Ear, (columns / 2, rows / 2), |u, v| {
                let (across, up, inward) = sphere(u, v, 1.0);
                let offset = vec3(
                    across * radii.x + 0.02 * side * up,
                    up * radii.y,
                    inward * radii.z,
                );
                (centre + offset, [across * side, up, 0.0, 0.0])
            })
        })
        .collect()
}

/// The fall of long hair behind face and neck.
pub(super) fn hair_shell(who: &Identity, detail: Detail) -> Option<Mesh> {
    let hair = &who.hair;
    if !matches!(hair.cut, Cut::Long | Cut::LongFringe) {
        return None;
    }
    let top = 0.95;
    let middle = 0.5 * (hair.end + top) - 0.05;
    let radii = vec3(
        who.skull.half_width * 1.07 + hair.side_volume + 0.07,
        0.5 * (top - hair.end),
        0.64,
    );
    Some(Mesh::build(Material::HairShell, detail.limb_grid(), |u, v| {
        let (across, up, inward) = sphere(u, v, 0.55);
        let azimuth = PI * (2.0 * u - 1.0);
        let lumps = 1.0 + (0.02 + 0.06 * hair.curl) * noise(azimuth * 5.0, up * 5.0, who.texture_seed);
        let flare = 1.0 - 0.06 * up;
        let position = vec3(
            across * radii.x * lumps * flare,
            middle + up * radii.y,
            -0.34 + inward * radii.z * lumps,
        );
        (position, [position.x, position.y, azimuth, 1.0])
    }))
}

/// Neck, shoulders and body as one surface; its rest coordinates are its unposed position.
pub(super) fn bust(head: &Head<'_>, detail: Detail) -> Mesh {
    let stations = outline(head.who);
    let (columns, rows) = detail.limb_grid();
    Mesh::build(Material::Bust, (columns, rows), |u, v| {
        let (y, half_width, half_depth) = station_at(&stations, 1.0 - v);
        // Only the front half is ever seen.
        let azimuth = PI * 0.62 * (2.0 * u - 1.0);
        let turns = azimuth / (2.0 * PI);
        let (sine, cosine) = (sin_turns(turns), sin_turns(turns + 0.25));
        let q = 2.3;
        let norm = pow(pow(sine.abs(), q) + pow(cosine.abs(), q), 1.0 / q);
        let position = vec3(half_width * sine / norm, y, -0.26 + half_depth * cosine / norm);
        (position, [position.x, y, azimuth, 0.0])
    })
}

/// How much a point of the bust follows the head's turn: all of it under the jaw, none at the shoulders.
pub(super) fn follows_head(y: f32) -> f32 {
    ((y + 1.55) / 0.75).clamp(0.0, 1.0)
}

fn outline(who: &Identity) -> [Station; 13] {
    let neck = who.skull.neck_half_width;
    let shoulder = who.skull.shoulder_half_width;
    [
        (-0.55, neck * 0.92, neck * 0.9),
        (-0.9, neck * 0.97, neck * 0.93),
        (-1.2, neck, neck * 0.95),
        (-1.36, neck * 1.1, neck * 1.0),
        (-1.47, neck * 1.38, neck * 1.08),
        (-1.57, lerp(neck * 1.5, shoulder, 0.22), 0.5),
        (-1.68, shoulder * 0.76, 0.54),
        (-1.8, shoulder * 0.88, 0.57),
        (-1.98, shoulder * 0.96, 0.6),
        (-2.25, shoulder, 0.63),
        (-2.8, shoulder, 0.64),
        (-3.9, shoulder * 0.95, 0.6),
        (BODY_BOTTOM, shoulder * 0.9, 0.58),
    ]
}

/// The outline at `t`, 0 (top) to 1 (bottom), each station taking an equal share.
fn station_at(stations: &[Station; 13], t: f32) -> Station {
    let along = t.clamp(0.0, 1.0) * (stations.len() - 1) as f32;
    let index = (along as usize).min(stations.len() - 2);
    let (a, b) = (stations[index], stations[index + 1]);
    let share = along - index as f32;
    (
        lerp(a.0, b.0, share),
        lerp(a.1, b.1, share),
        lerp(a.2, b.2, share),
    )
}

/// A unit sphere by column and row share; `roundness` below 1 makes it a barrel.
fn sphere(u: f32, v: f32, roundness: f32) -> (f32, f32, f32) {
    let latitude = (v - 0.5) * 0.49;
    let ring = pow(sin_turns(latitude + 0.25).max(0.0), roundness);
    let longitude = u - 0.5;
    (
        ring * sin_turns(longitude),
        sin_turns(latitude),
        ring * sin_turns(longitude + 0.25),
    )
}
