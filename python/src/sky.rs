//! What the Sun sees.

use dynamics::icrs::Equatorial;
use dynamics::sky::{Observables, Sun};
use pyo3::prelude::*;

use crate::arrays::{Made, Table, made, of_star, quickly, rows, stars};
use crate::errors::{Reasons, parted};

fn of([r0, z, u, v, w, v_lsr]: [f64; 6]) -> Sun {
    Sun {
        r0,
        z,
        u,
        v,
        w,
        v_lsr,
        ..Sun::DEFAULT
    }
}

/// r0, z, u, v, w, v_lsr of the Sun where nothing else is said.
#[pyfunction]
pub fn default_sun() -> [f64; 6] {
    let Sun {
        r0, z, u, v, w, v_lsr, ..
    } = Sun::DEFAULT;
    [r0, z, u, v, w, v_lsr]
}

/// Columns distance, l, b, v_los, mu_l_cosb, mu_b of stars; reasons of rows without.
#[pyfunction]
pub fn observe<'py>(py: Python<'py>, xv: Table, sun: [f64; 6]) -> PyResult<(Made<'py>, Reasons)> {
    let (stars, sun) = (stars(&xv)?, of(sun));
    let mut seen = vec![[f64::NAN; 6]; stars.len()];
    let reasons = parted(quickly(py, &stars, |star| sun.observe(star)), |row, star| {
        seen[row] = [star.distance, star.l, star.b, star.v_los, star.mu_l_cosb, star.mu_b];
    });
    Ok((made(py, seen)?, reasons))
}

/// Stars that are seen so, in the columns of [`observe`].
#[pyfunction]
pub fn locate<'py>(py: Python<'py>, seen: Table, sun: [f64; 6]) -> PyResult<Made<'py>> {
    let sun = of(sun);
    let star = |[distance, l, b, v_los, mu_l_cosb, mu_b]: &[f64; 6]| {
        of_star(&sun.locate(&Observables {
            distance: *distance,
            l: *l,
            b: *b,
            v_los: *v_los,
            mu_l_cosb: *mu_l_cosb,
            mu_b: *mu_b,
        }))
    };
    made(py, quickly(py, &rows::<6>(&seen)?, star))
}

/// Columns l, b, mu_l_cosb, mu_b of columns ra, dec, mu_ra_cosdec, mu_dec.
#[pyfunction]
pub fn icrs_to_galactic<'py>(py: Python<'py>, seen: Table) -> PyResult<Made<'py>> {
    let turned = |[ra, dec, mu_ra_cosdec, mu_dec]: &[f64; 4]| {
        let found = Equatorial {
            ra: *ra,
            dec: *dec,
            mu_ra_cosdec: *mu_ra_cosdec,
            mu_dec: *mu_dec,
        }
        .to_galactic();
        [found.l, found.b, found.mu_l_cosb, found.mu_b]
    };
    made(py, quickly(py, &rows::<4>(&seen)?, turned))
}
