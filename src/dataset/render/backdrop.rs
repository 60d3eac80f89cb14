//! What is behind the people: rooms, streets, studios, and many things that are not faces.

use super::{
    canvas::{Canvas, Shape},
    identity::{paint_colour, skin_colour},
    math::{Rgb, floor, lerp, noise, sin_cos_degrees, sin_turns, vec3},
    random::Stream,
    take::muted_colour,
};

/// A backdrop of `width` x `height` pixels.
pub(super) fn backdrop(s: &mut Stream, width: usize, height: usize) -> Canvas {
    // Most backdrops are out of focus; those are painted at half size and enlarged.
    let focus = s.weighted(&[3.0, 4.0, 3.0]);
    let (w, h) = if focus == 0 {
        (width, height)
    } else {
        (width.div_ceil(2), height.div_ceil(2))
    };
    let mut set = Set {
        canvas: Canvas::new(w, h),
        unit: w.max(h) as f32 / 100.0,
    };
    match s.weighted(&[4.0, 2.5, 1.5, 1.0]) {
        0 => set.room(s),
        1 => set.street(s),
        2 => set.studio(s),
        _ => set.party(s),
    }
    let oddities = 2 + s.below(7);
    for _ in 0..oddities {
        set.oddity(s);
    }
    let mut canvas = set.canvas;
    if focus == 2 {
        let radius = (s.uniform(0.15, 0.6) * set.unit) as usize;
        canvas.blur_widely(radius.max(1));
    }
    if focus == 0 {
        canvas
    } else {
        canvas.enlarged(width, height)
    }
}

/// A surface's texture is computed this many pixels apart in a row, and interpolated between.
const TEXTURE_STEP: usize = 4;

/// A backdrop being painted.
struct Set {
    canvas: Canvas,
    /// A hundredth of the longer side in pixels.
    unit: f32,
}

impl Set {
    fn width(&self) -> f32 {
        self.canvas.width as f32
    }

    fn height(&self) -> f32 {
        self.canvas.height as f32
    }

    fn anywhere(&self, s: &mut Stream) -> (f32, f32) {
        (s.uniform(0.0, self.width()), s.uniform(0.0, self.height()))
    }

    /// A surface from edge to edge, lighter towards one corner, with a grain of its own.
    fn surface(&mut self, s: &mut Stream, top: f32, bottom: f32, colour: Rgb, grain: (f32, f32)) {
        let (seed, lean, fall) = (s.bits(), s.uniform(-0.25, 0.25), s.uniform(-0.3, 0.1));
        let (across, down) = (0.16 / self.unit * grain.0, 0.16 / self.unit * grain.1);
        let amount = s.uniform(0.02, 0.1);
        let texture = |x: usize, y: usize| {
            let (x, y) = (x as f32 * across, y as f32 * down);
            amount * (noise(x, y, seed) + 0.6 * noise(x * 4.3, y * 4.3, seed ^ 1))
        };
        let (width, height) = (self.canvas.width, self.height());
        let rows = top.max(0.0) as usize..bottom.clamp(0.0, height) as usize;
        for y in rows {
            let v = 2.0 * (y as f32 - top) / (bottom - top) - 1.0;
            let row = &mut self.canvas.pixels[y * width..(y + 1) * width];
            let mut next = texture(0, y);
            for (run, pixels) in row.chunks_mut(TEXTURE_STEP).enumerate() {
                let from = run * TEXTURE_STEP;
                let here = next;
                next = texture(from + TEXTURE_STEP, y);
                for (i, pixel) in pixels.iter_mut().enumerate() {
                    let u = 2.0 * (from + i) as f32 / width as f32 - 1.0;
                    let grain = lerp(here, next, i as f32 / TEXTURE_STEP as f32);
                    *pixel = colour * (1.0 + lean * u + fall * v + grain).max(0.05);
                }
            }
        }
    }

    fn block(&mut self, shape: &Shape, colour: Rgb) {
        self.canvas.fill(shape, 1.0, |_, v| colour * (1.0 - 0.12 * v));
    }

    fn room(&mut self, s: &mut Stream) {
        let (w, h) = (self.width(), self.height());
        let wall = muted_colour(s).mix(vec3(0.6, 0.58, 0.54), s.uniform(0.2, 0.8));
        let floor_y = h * s.uniform(0.62, 0.9);
        self.surface(s, -2.0, floor_y + 1.0, wall, (1.0, 1.0));
        let boards = muted_colour(s).mix(paint_colour(120, 88, 62), 0.6);
        self.surface(s, floor_y, h + 2.0, boards, (0.4, 3.0));
        let skirting = Shape::rect(-2.0, floor_y - 1.2 * self.unit, w + 2.0, floor_y);
        self.block(&skirting, wall.mix(vec3(0.8, 0.8, 0.78), 0.5));
        let things = 2 + s.below(5);
        for _ in 0..things {
            match s.below(6) {
                0 => self.window(s),
                1 | 2 => self.picture_frame(s),
                3 => self.shelf(s),
                4 => self.plant(s, floor_y),
                _ => self.clock(s),
            }
        }
    }

    fn street(&mut self, s: &mut Stream) {
        let (w, h) = (self.width(), self.height());
        let sky =
            paint_colour(168, 196, 220).mix(paint_colour(226, 214, 200), s.unit()) * s.uniform(0.6, 1.1);
        self.surface(s, -2.0, h + 2.0, sky, (0.5, 1.5));
        let horizon = h * s.uniform(0.5, 0.75);
        let mut x = -5.0 * self.unit;
        while x < w {
            let breadth = s.uniform(9.0, 26.0) * self.unit;
            let roof = horizon - s.uniform(0.15, 0.7) * h;
            self.building(s, (x, roof, x + breadth, horizon + 2.0));
            x += breadth * s.uniform(0.95, 1.4);
        }
        let ground = if s.chance(0.5) {
            paint_colour(96, 112, 66)
        } else {
            paint_colour(120, 118, 114)
        };
        let ground = ground * s.uniform(0.6, 1.1);
        self.surface(s, horizon, h + 2.0, ground, (1.0, 4.0));
        for _ in 0..s.below(5) {
            self.plant(s, horizon + 0.1 * h);
        }
    }

    fn building(&mut self, s: &mut Stream, (left, top, right, bottom): (f32, f32, f32, f32)) {
        let walls = muted_colour(s);
        let glass = vec3(0.06, 0.08, 0.1).mix(walls, s.uniform(0.0, 0.4));
        let (columns, rows) = (s.uniform(2.0, 7.0).floor(), s.uniform(3.0, 10.0).floor());
        self.canvas
            .fill(&Shape::rect(left, top, right, bottom), 1.0, |u, v| {
                let (a, b) = ((u + 1.0) * 0.5 * columns, (v + 1.0) * 0.5 * rows);
                let (p, q) = (a - floor(a) as f32, b - floor(b) as f32);
                if (0.25..0.75).contains(&p) && (0.3..0.75).contains(&q) {
                    glass * (1.3 - 0.5 * q)
                } else {
                    walls * (1.0 + 0.08 * u)
                }
            });
    }

    fn studio(&mut self, s: &mut Stream) {
        let (w, h) = (self.width(), self.height());
        let colour = muted_colour(s).mix(vec3(0.3, 0.3, 0.32), 0.4);
        self.surface(s, -2.0, h + 2.0, colour, (0.6, 0.6));
        let glow = Shape::ellipse(
            (w * s.uniform(0.3, 0.7), h * s.uniform(0.2, 0.6)),
            w * 0.6,
            h * 0.7,
        );
        let bright = colour * 1.8 + vec3(0.05, 0.05, 0.05);
        let before = self.canvas.clone();
        self.canvas.fill(&glow, 0.55, |_, _| bright);
        // A soft lamp: what the fill added fades towards the glow's edge.
        for (index, pixel) in self.canvas.pixels.iter_mut().enumerate() {
            let (x, y) = ((index % before.width) as f32, (index / before.width) as f32);
            let (u, v) = (
                (x - glow.centre.0) / glow.half.0,
                (y - glow.centre.1) / glow.half.1,
            );
            let fade = (1.0 - u * u - v * v).clamp(0.0, 1.0);
            *pixel = before.pixels[index].mix(*pixel, fade);
        }
    }

    fn party(&mut self, s: &mut Stream) {
        let h = self.height();
        let dusk = muted_colour(s) * 0.4;
        self.surface(s, -2.0, h + 2.0, dusk, (0.5, 0.5));
        for _ in 0..(20 + s.below(40)) {
            let centre = self.anywhere(s);
            let radius = s.uniform(0.5, 4.0) * self.unit;
            let lamp = muted_colour(s).mix(vec3(1.0, 0.75, 0.4), 0.5) * s.uniform(0.8, 1.6);
            self.canvas.fill(
                &Shape::ellipse(centre, radius, radius),
                s.uniform(0.2, 0.7),
                |_, _| lamp,
            );
        }
    }

    fn window(&mut self, s: &mut Stream) {
        let unit = self.unit;
        let (x, y) = self.anywhere(s);
        let (half_w, half_h) = (s.uniform(6.0, 14.0) * unit, s.uniform(7.0, 16.0) * unit);
        let y = y * 0.5;
        let frame = vec3(0.75, 0.74, 0.7) * s.uniform(0.4, 1.1);
        let sky = paint_colour(190, 212, 230) * s.uniform(0.5, 1.3);
        let shape = Shape::rect(x - half_w, y - half_h, x + half_w, y + half_h);
        self.canvas.fill(&shape, 1.0, |u, v| {
            let bar = u.abs() < 0.05 || v.abs() < 0.04 || u.abs() > 0.92 || v.abs() > 0.94;
            if bar { frame } else { sky * (1.0 - 0.25 * v) }
        });
        let sill = Shape::rect(x - 1.1 * half_w, y + half_h, x + 1.1 * half_w, y + half_h + unit);
        self.block(&sill, frame * 1.1);
    }

    fn picture_frame(&mut self, s: &mut Stream) {
        let unit = self.unit;
        let (x, y) = self.anywhere(s);
        let (half_w, half_h) = (s.uniform(2.5, 9.0) * unit, s.uniform(2.5, 9.0) * unit);
        let (frame, paper) = (muted_colour(s) * 0.5, vec3(0.8, 0.78, 0.72));
        let (one, two) = (muted_colour(s), muted_colour(s));
        let (seed, detail) = (s.bits(), s.uniform(1.0, 4.0));
        let shape = Shape::rect(x - half_w, 0.7 * y - half_h, x + half_w, 0.7 * y + half_h);
        self.canvas.fill(&shape, 1.0, |u, v| {
            let rim = u.abs().max(v.abs());
            if rim > 0.9 {
                frame
            } else if rim > 0.7 {
                paper
            } else if noise(u * detail, v * detail * 1.3, seed) > v * 0.6 {
                one
            } else {
                two
            }
        });
    }

    fn shelf(&mut self, s: &mut Stream) {
        let unit = self.unit;
        let (x, y) = self.anywhere(s);
        let (left, right) = (x - s.uniform(8.0, 20.0) * unit, x + s.uniform(8.0, 20.0) * unit);
        let wood = paint_colour(110, 80, 54) * s.uniform(0.5, 1.3);
        for level in 0..=s.below(4) {
            let board = 0.3 * y + (level as f32 + 1.0) * 10.0 * unit;
            let mut book = left + unit;
            while book < right - 2.0 * unit {
                let thick = s.uniform(0.5, 1.8) * unit;
                if s.chance(0.85) {
                    let tall = s.uniform(4.5, 8.0) * unit;
                    let colour = muted_colour(s);
                    let spine = Shape::rect(book, board - tall, book + 0.93 * thick, board);
                    self.canvas.fill(&spine, 1.0, |u, v| {
                        let label = v > -0.6 && v < -0.35;
                        let sheen = 1.0 - 0.3 * u * u;
                        if label {
                            colour.mix(vec3(0.8, 0.75, 0.6), 0.6) * sheen
                        } else {
                            colour * sheen
                        }
                    });
                }
                book += thick;
            }
            self.block(&Shape::rect(left, board, right, board + 0.9 * unit), wood);
        }
    }

    fn plant(&mut self, s: &mut Stream, ground: f32) {
        let unit = self.unit;
        let x = s.uniform(0.0, self.width());
        let spread = s.uniform(3.0, 10.0) * unit;
        let top = ground - s.uniform(8.0, 24.0) * unit;
        let green = paint_colour(62, 92, 48).mix(paint_colour(120, 128, 60), s.unit());
        self.block(
            &Shape::rect(x - 0.4 * unit, top, x + 0.4 * unit, ground),
            paint_colour(80, 60, 42),
        );
        for _ in 0..(40 + s.below(80)) {
            let (dx, dy) = (s.normal() * 0.5 * spread, s.normal() * 0.5 * spread);
            let leaf = Shape::ellipse(
                (x + dx, top + dy),
                s.uniform(0.6, 2.2) * unit,
                s.uniform(0.25, 0.7) * unit,
            )
            .turned(sin_cos_degrees(s.uniform(0.0, 180.0)));
            let colour = green * s.uniform(0.5, 1.5);
            self.canvas.fill(&leaf, 0.9, |u, _| colour * (1.0 + 0.2 * u));
        }
    }

    fn clock(&mut self, s: &mut Stream) {
        let unit = self.unit;
        let (x, y) = self.anywhere(s);
        let centre = (x, 0.5 * y);
        let radius = s.uniform(1.5, 5.0) * unit;
        let (rim, hands) = (muted_colour(s) * 0.5, vec3(0.03, 0.03, 0.03));
        let dial = vec3(0.8, 0.79, 0.75) * s.uniform(0.6, 1.1);
        self.canvas
            .fill(&Shape::ellipse(centre, radius, radius), 1.0, |u, v| {
                if u * u + v * v > 0.84 { rim } else { dial }
            });
        for mark in 0..12 {
            let (sine, cosine) = sin_cos_degrees(30.0 * mark as f32);
            let at = (centre.0 + 0.75 * radius * cosine, centre.1 + 0.75 * radius * sine);
            self.block(&Shape::ellipse(at, 0.06 * radius, 0.06 * radius), hands);
        }
        for length in [0.3, 0.42] {
            let turn = sin_cos_degrees(s.uniform(0.0, 360.0));
            let middle = (
                centre.0 + length * radius * turn.1,
                centre.1 + length * radius * turn.0,
            );
            let hand = Shape {
                round: false,
                centre: middle,
                half: (length * radius, 0.04 * radius),
                turn,
            };
            self.block(&hand, hands);
        }
    }

    /// An object that a weak detector may mistake for a face.
    fn oddity(&mut self, s: &mut Stream) {
        match s.below(5) {
            0 => self.dotted_ball(s),
            1 => self.skin_coloured_oval(s),
            2 => self.socket(s),
            3 => self.crate_of_slats(s),
            _ => self.lamp(s),
        }
    }

    fn dotted_ball(&mut self, s: &mut Stream) {
        let centre = self.anywhere(s);
        let radius = s.uniform(1.0, 5.5) * self.unit;
        let colour = muted_colour(s);
        let tall = s.uniform(0.85, 1.3);
        self.canvas
            .fill(&Shape::ellipse(centre, radius, radius * tall), 1.0, |u, v| {
                colour * (1.0 - 0.4 * (u + 0.3) * (u + 0.3) - 0.35 * (v + 0.4) * (v + 0.4)).max(0.1)
            });
        for _ in 0..s.below(7) {
            let at = (
                centre.0 + s.uniform(-0.6, 0.6) * radius,
                centre.1 + s.uniform(-0.7, 0.7) * radius * tall,
            );
            let dot = s.uniform(0.05, 0.18) * radius;
            let ink = muted_colour(s) * s.uniform(0.1, 1.0);
            self.canvas.fill(&Shape::ellipse(at, dot, dot), 1.0, |_, _| ink);
        }
    }

    fn skin_coloured_oval(&mut self, s: &mut Stream) {
        let centre = self.anywhere(s);
        let half = s.uniform(1.0, 5.0) * self.unit;
        let skin = skin_colour(s.unit(), s.uniform(-0.5, 0.9), s.uniform(-0.5, 0.7));
        let shape = Shape::ellipse(centre, half, half * s.uniform(0.8, 1.6))
            .turned(sin_cos_degrees(s.uniform(-40.0, 40.0)));
        self.canvas
            .fill(&shape, 1.0, |u, v| skin * (0.9 - 0.3 * u - 0.3 * v * v).max(0.1));
    }

    fn socket(&mut self, s: &mut Stream) {
        let (x, y) = self.anywhere(s);
        let half = s.uniform(0.8, 2.6) * self.unit;
        let plate = vec3(0.7, 0.69, 0.66) * s.uniform(0.4, 1.1);
        self.block(&Shape::rect(x - half, y - half, x + half, y + half), plate);
        self.block(&Shape::ellipse((x, y), 0.75 * half, 0.75 * half), plate * 0.75);
        for side in [-1.0, 1.0] {
            let hole = Shape::ellipse((x + side * 0.32 * half, y), 0.11 * half, 0.11 * half);
            self.block(&hole, vec3(0.02, 0.02, 0.02));
        }
    }

    fn crate_of_slats(&mut self, s: &mut Stream) {
        let (x, y) = self.anywhere(s);
        let (half_w, half_h) = (s.uniform(2.0, 10.0) * self.unit, s.uniform(2.0, 8.0) * self.unit);
        let (one, two) = (muted_colour(s), muted_colour(s));
        let slats = s.uniform(1.0, 5.0);
        let shape =
            Shape::rect(x - half_w, y - half_h, x + half_w, y + half_h).turned(sin_cos_degrees(s.tent(12.0)));
        self.canvas.fill(&shape, 1.0, |u, v| {
            if sin_turns(v * slats) > 0.6 {
                two
            } else {
                one * (1.0 + 0.1 * u)
            }
        });
    }

    fn lamp(&mut self, s: &mut Stream) {
        let (x, y) = self.anywhere(s);
        let half = s.uniform(1.0, 4.0) * self.unit;
        let glow = vec3(1.0, 0.86, 0.62) * s.uniform(0.5, 1.2);
        self.block(
            &Shape::rect(x - 0.1 * half, y, x + 0.1 * half, y + 4.0 * half),
            vec3(0.05, 0.05, 0.05),
        );
        self.block(&Shape::ellipse((x, y), half, 0.8 * half), glow);
    }
}
