//! Surfaces as grids of vertices.

use super::math::Vec3;

/// What a surface is made of, and so which painter colours it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Material {
    Nothing,
    Head,
    Ear,
    HairShell,
    Bust,
}

/// A point of a surface.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vertex {
    /// Where it is, in head units, after posing.
    pub(super) position: Vec3,
    pub(super) normal: Vec3,
    /// Where it was before posing, for the painter: x, y, azimuth in radians, share of hair.
    pub(super) rest: [f32; 4],
}

/// A grid whose columns run anticlockwise seen from above (left to right in front) and whose rows run upwards.
#[derive(Clone, Debug)]
pub(super) struct Mesh {
    pub(super) material: Material,
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) vertices: Vec<Vertex>,
}

/// How finely surfaces are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Fine,
    Coarse,
}

impl Detail {
    /// Columns and rows of the head: 32,000 vertices, or 9,600 where a triangle would be smaller than a pixel.
    pub(super) fn head_grid(self) -> (usize, usize) {
        match self {
            Self::Fine => (160, 200),
            Self::Coarse => (88, 110),
        }
    }

    /// Columns and rows of anything else.
    pub(super) fn limb_grid(self) -> (usize, usize) {
        match self {
            Self::Fine => (56, 64),
            Self::Coarse => (32, 36),
        }
    }
}

impl Mesh {
    /// Builds a grid from `place(column share, row share)`, each share from 0 to 1, and derives its normals.
    pub(super) fn build(
        material: Material,
        (columns, rows): (usize, usize),
        mut place: impl FnMut(f32, f32) -> (Vec3, [f32; 4]),
    ) -> Self {
        let mut vertices = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            let v = row as f32 / (rows - 1) as f32;
            for column in 0..columns {
                let (position, rest) = place(column as f32 / (columns - 1) as f32, v);
                vertices.push(Vertex {
                    position,
                    normal: Vec3::ZERO,
                    rest,
                });
            }
        }
        let mut mesh = Self {
            material,
            columns,
            rows,
            vertices,
        };
        mesh.derive_normals();
        mesh
    }

    fn derive_normals(&mut self) {
        let (columns, rows) = (self.columns, self.rows);
        for row in 0..rows {
            let (below, above) = (row.saturating_sub(1), (row + 1).min(rows - 1));
            for column in 0..columns {
                let (left, right) = (column.saturating_sub(1), (column + 1).min(columns - 1));
                let at = |c: usize, r: usize| self.vertices[r * columns + c].position;
                let across = at(right, row) - at(left, row);
                let upwards = at(column, above) - at(column, below);
                self.vertices[row * columns + column].normal = across.cross(upwards).normalized();
            }
        }
    }

    /// Moves every vertex and its normal.
    pub(super) fn pose(&mut self, mut turn: impl FnMut(Vec3, Vec3) -> (Vec3, Vec3)) {
        for vertex in &mut self.vertices {
            (vertex.position, vertex.normal) = turn(vertex.position, vertex.normal);
        }
    }
}
