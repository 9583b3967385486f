//! Stars as they are seen, and which of them serve for what.

pub mod correct_streams;
#[expect(clippy::module_inception, reason = "a file has the name of its kind")]
pub mod observe;
pub mod select_orbits;
pub mod select_stars;
pub mod split;
