//! Potentials, orbits, actions and angles in plain f64.
