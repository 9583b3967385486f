//! From equatorial coordinates (ICRS, as Gaia's) to Galactic ones.

use crate::vector::dot;

/// Direction and proper motion in ICRS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Equatorial {
    /// Right ascension α, degrees.
    pub ra: f64,
    /// Declination δ, degrees.
    pub dec: f64,
    /// Proper motion μ_α cos δ, mas/yr.
    pub mu_ra_cosdec: f64,
    /// Proper motion μ_δ, mas/yr.
    pub mu_dec: f64,
}

/// Direction and proper motion in Galactic coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Galactic {
    /// Galactic longitude ℓ in [0, 360), degrees.
    pub l: f64,
    /// Galactic latitude b, degrees.
    pub b: f64,
    /// Proper motion μ_ℓ cos b, mas/yr.
    pub mu_l_cosb: f64,
    /// Proper motion μ_b, mas/yr.
    pub mu_b: f64,
}

/// Rows: the directions to the Galactic centre, to ℓ = 90° and to the North Galactic Pole in ICRS. The pole and node of the IAU (1958)
/// in FK5 J2000 (α = 192.8594812065348°, δ = 27.12825118085622°, ℓ of the north celestial pole 122.9319185680026°), turned into
/// ICRS by USNO Circular 179: the angles of astropy's `Galactic`. The product is worked out in 50 digits and rounded once: astropy's own, of
/// rounded matrices, is orthogonal to 2e-15 only.
const ROTATION: [[f64; 3]; 3] = [
    [
        -0.054_875_657_712_591_73,
        -0.873_437_051_955_616_3,
        -0.483_835_073_616_715_57,
    ],
    [
        0.494_109_437_192_727_3,
        -0.444_829_721_223_295_34,
        0.746_982_183_986_667_5,
    ],
    [
        -0.867_666_137_559_658_8,
        -0.198_076_337_273_000_53,
        0.455_983_813_687_301_6,
    ],
];

fn rotated(vector: [f64; 3]) -> [f64; 3] {
    ROTATION.map(|row| dot(row, vector))
}

impl Equatorial {
    /// How the directions of the angles turn: rows are those of increasing ℓ and b in terms of those of α and δ, at this star.
    pub fn rotation(&self) -> [[f64; 2]; 2] {
        let along = |mu_ra_cosdec, mu_dec| {
            let star = Self {
                mu_ra_cosdec,
                mu_dec,
                ..*self
            };
            star.to_galactic()
        };
        let (ra, dec) = (along(1.0, 0.0), along(0.0, 1.0));
        [[ra.mu_l_cosb, dec.mu_l_cosb], [ra.mu_b, dec.mu_b]]
    }

    /// The same star in Galactic coordinates.
    ///
    /// **Units**: degrees, mas/yr. **Accuracy**: rounding, at the poles of either system too: directions there are found from their
    /// distance to the axis, and proper motions from the unit vectors of the angles given and found.
    pub fn to_galactic(&self) -> Galactic {
        let (sin_a, cos_a) = self.ra.to_radians().sin_cos();
        let (sin_d, cos_d) = self.dec.to_radians().sin_cos();
        let [x, y, z] = rotated([cos_a * cos_d, sin_a * cos_d, sin_d]);
        let along_ra = [-sin_a, cos_a, 0.0];
        let along_dec = [-cos_a * sin_d, -sin_a * sin_d, cos_d];
        let motion = rotated([0, 1, 2].map(|i| self.mu_ra_cosdec * along_ra[i] + self.mu_dec * along_dec[i]));
        let across = x.hypot(y);
        let (sin_l, cos_l) = if across > 0.0 {
            (y / across, x / across)
        } else {
            (0.0, 1.0)
        };
        let (sin_b, cos_b) = (z, across);
        let l = y.atan2(x).to_degrees();
        Galactic {
            l: if l < 0.0 { (l + 360.0) % 360.0 } else { l },
            b: z.atan2(across).to_degrees(),
            mu_l_cosb: dot(motion, [-sin_l, cos_l, 0.0]),
            mu_b: dot(motion, [-cos_l * sin_b, -sin_l * sin_b, cos_b]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sky::{Observables, Sun};
    use crate::testing::reference_table;
    use crate::vector::norm;

    /// astropy 8.0.2: `SkyCoord(ra=…, dec=…, pm_ra_cosdec=…, pm_dec=…, frame="icrs").galactic`: among them the poles of both systems, the
    /// centre and its antipode. Each row: ra, dec, pm_ra_cosdec, pm_dec; l, b, pm_l_cosb, pm_b.
    const ASTROPY: [[f64; 8]; 9] = [
        [
            0.0,
            0.0,
            1.0,
            2.0,
            96.33728336969006,
            -60.188551946914465,
            1.7140522063737809,
            1.4359752901165062,
        ],
        [
            10.0,
            20.0,
            1.0,
            2.0,
            119.26936773760173,
            -42.79039286460446,
            1.1191706294452028,
            1.935834988367355,
        ],
        [
            192.85948,
            27.12825,
            3.0,
            -4.0,
            340.73759881165375,
            89.99999694344345,
            -0.08165813927437204,
            -4.999333150360185,
        ],
        [
            266.4051,
            -28.936175,
            -3.151,
            -5.547,
            5.3296785075866505e-05,
            -8.200901204109912e-05,
            -6.376343128224887,
            -0.20064473862848556,
        ],
        [
            120.0,
            90.0,
            1.5,
            -2.5,
            122.93192525541662,
            27.12825241496801,
            1.9468876976902545,
            2.1701678028627938,
        ],
        [
            33.0,
            -90.0,
            1.5,
            -2.5,
            302.9319252554166,
            -27.128252414968014,
            -0.5474670051501432,
            2.863613081104344,
        ],
        [
            359.999,
            45.0,
            -10.0,
            0.3,
            113.46311041445975,
            -16.923877889170814,
            -9.721167582879206,
            2.3640856214567565,
        ],
        [
            12.8594812065348,
            -27.12825118085622,
            1.0,
            1.0,
            190.21245872447201,
            -89.99999680463607,
            -0.5361874311640984,
            1.308626393842661,
        ],
        [
            266.40498829,
            -28.93617776,
            0.0,
            0.0,
            3.1046157578888954e-09,
            -1.6476036583104575e-09,
            0.0,
            0.0,
        ],
    ];

    #[test]
    fn agrees_with_astropy() {
        for [ra, dec, mu_ra_cosdec, mu_dec, l, b, mu_l_cosb, mu_b] in ASTROPY {
            let star = Equatorial {
                ra,
                dec,
                mu_ra_cosdec,
                mu_dec,
            };
            let found = star.to_galactic();
            // Near a pole rounding of a direction is a large angle in longitude, and turns what is along it.
            let turn = 1e-13 / b.to_radians().cos();
            let error = (found.l - l).to_radians().abs();
            assert!(error < turn && (found.b - b).abs() < 1e-10, "{star:?} is {found:?}");
            let size = mu_l_cosb.hypot(mu_b);
            let off = (found.mu_l_cosb - mu_l_cosb).hypot(found.mu_b - mu_b);
            assert!(off <= (turn + 1e-13) * size, "{star:?} is {found:?}");
        }
    }

    /// `tests/reference/sky.csv`, by astropy: directions to 1e-10 degrees on the sky, proper motions, positions and velocities to 1e-9 of
    /// their size, at the poles of both systems and behind the centre too. Next to a Galactic pole astropy's rounding turns what is along
    /// longitude, and nothing else.
    #[test]
    fn stars_are_where_astropy_has_them() {
        let columns = "ra dec distance pmra pmdec v_los l b mu_l_cosb mu_b x y z vx vy vz";
        let columns: Vec<&str> = columns.split(' ').collect();
        let rows = reference_table("sky", &columns);
        assert_eq!(rows.len(), 215);
        let sun = Sun::default();
        for row in rows {
            let star = Equatorial {
                ra: row[0],
                dec: row[1],
                mu_ra_cosdec: row[3],
                mu_dec: row[4],
            };
            let (distance, v_los) = (row[2], row[5]);
            let found = star.to_galactic();
            let (l, b) = (row[6], row[7]);
            let across = b.to_radians().cos();
            let off = crate::units::wrap_difference((found.l - l).to_radians()).to_degrees() * across;
            assert!(
                off.abs() < 1e-10 && (found.b - b).abs() < 1e-10,
                "{star:?} is {found:?}"
            );
            let (size, turn) = (row[8].hypot(row[9]), 1e-14 / across);
            let off = (found.mu_l_cosb - row[8]).hypot(found.mu_b - row[9]);
            assert!(off <= (1e-9 + turn) * size, "{star:?} is {found:?}");
            let seen = Observables {
                distance,
                l: found.l,
                b: found.b,
                v_los,
                mu_l_cosb: found.mu_l_cosb,
                mu_b: found.mu_b,
            };
            let place = sun.locate(&seen);
            let speed = norm(place.v) + norm(sun.velocity());
            for axis in 0..3 {
                let (x, v) = (row[10 + axis], row[13 + axis]);
                assert!(
                    (place.x[axis] - x).abs() < 1e-9 * (distance + sun.r0),
                    "{star:?} is {place:?}"
                );
                assert!((place.v[axis] - v).abs() < 1e-9 * speed, "{star:?} is {place:?}");
            }
            let back = sun.observe(&place).unwrap();
            assert!((back.distance / distance - 1.0).abs() < 1e-9, "{back:?}");
        }
    }

    #[test]
    fn lengths_and_angles_stay() {
        for (i, row) in ROTATION.iter().enumerate() {
            for (j, other) in ROTATION.iter().enumerate() {
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((dot(*row, *other) - expected).abs() < 3e-16);
            }
        }
        let star = Equatorial {
            ra: 123.0,
            dec: -45.0,
            mu_ra_cosdec: 3.0,
            mu_dec: -4.0,
        };
        let found = star.to_galactic();
        assert!((found.mu_l_cosb.hypot(found.mu_b) - 5.0).abs() < 1e-14);
    }
}
