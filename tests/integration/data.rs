//! Pipelines for tests.

/// Orbits in an isochrone, their actions, and those in a wrong one; a second or less, without libtorch.
pub const SMALL: &str = "\
pipeline: small
about: Orbits in an isochrone
params: { streams: 6, seed: 1, scale: 5.5 }
stages:
  orbits:
    integrate_orbits:
      with:
        potential: { isochrone: { mass: 3.334e11, scale: 5.0 } }
        sample: halo
        streams: $streams
        stars: 4
        duration: 0.1
        seed: $seed
  truth:
    estimate_actions: { from: { stars: orbits }, with: { method: { isochrone: { mass: 3.334e11, scale: 5.0 } } } }
  guess:
    estimate_actions: { from: { stars: orbits }, with: { method: { isochrone: { mass: 3.334e11, scale: $scale } } } }
  errors:
    compare: { from: { predicted: guess, truth: truth }, with: { paper: { delta_J: 1.0, delta_theta: 0.7 } } }
  sample:
    figure: { from: { stars: orbits }, with: { draw: orbits } }
";

/// The same as a sweep of two points over the scale of the guess.
pub fn swept() -> String {
    SMALL.to_owned() + "sweep: { axes: { scale: [5.8, 5.2] } }\n"
}
