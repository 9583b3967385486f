//! Stars with their streams, and networks: from files, integrated, on tori, or of an N-body simulation.

pub mod import_network;
pub mod import_streams;
pub mod integrate_orbits;
pub mod map_tori;
pub mod samples;
pub mod simulate_nbody;
pub mod spray_streams;
