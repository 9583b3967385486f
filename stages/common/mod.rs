//! What several kinds share.

pub mod columns;
pub mod doubts;
pub(crate) mod finder_file;
pub mod io;
pub mod layout;
pub mod learned_field;
pub mod measured;
pub mod networks;
pub mod parameters;
pub mod potentials;
pub mod quantities;
pub(crate) mod room;
pub mod set_aside;
pub mod spread;
pub mod sun;
pub(crate) mod tidal_streams;
pub mod training;
pub mod units;
