//! The hidden `facebench load SHARE`: multiplies matrices for that share of the time on one core, until it is ended. What
//! tenants are measured beside with `tenants --neighbour`.

use std::{
    io::Read,
    thread,
    time::{Duration, Instant},
};

use ndarray::Array2;

/// Work and rest take turns within so long.
const PERIOD: Duration = Duration::from_millis(20);
/// A side of the matrices: three of them are 3 MB, larger than a core's own cache.
const SIDE: usize = 512;
/// Rows that are multiplied at a time: short enough to end in time.
const ROWS: usize = 16;

/// Works until standard input is closed, which is when its parent ends.
pub fn load(share: f64) -> ! {
    thread::spawn(move || {
        let _ = std::io::stdin().lock().read(&mut [0]);
        std::process::exit(0);
    });
    let a = Array2::from_shape_fn((SIDE, SIDE), |(row, column)| (row * 31 + column) as f32 / 1e4);
    let b = a.t().to_owned();
    let mut product = Array2::<f32>::zeros((ROWS, SIDE));
    let work = PERIOD.mul_f64(share);
    let mut row = 0;
    loop {
        let begun = Instant::now();
        while begun.elapsed() < work {
            let rows = a.slice(ndarray::s![row..row + ROWS, ..]);
            ndarray::linalg::general_mat_mul(1.0, &rows, &b, 0.0, &mut product);
            row = (row + ROWS) % SIDE;
        }
        std::hint::black_box(&product);
        thread::sleep(PERIOD.saturating_sub(begun.elapsed()));
    }
}
