//! The table `snapshots`, filled one snapshot at a time.

use dynamics::nbody::Particles;
use runner::error::StageError;
use tables::Values;

use crate::common::columns::CARTESIAN;

/// Rows by stream, then star; a particle is a stream, its place in a snapshot a star. Nothing is kept twice: these are the
/// columns that are written.
pub struct Snapshots {
    particles: usize,
    stars: usize,
    times: Vec<f64>,
    columns: [Vec<f64>; 6],
}

impl Snapshots {
    /// Room for `stars` snapshots.
    pub fn new(particles: usize, stars: usize) -> Self {
        Self {
            particles,
            stars,
            times: Vec::with_capacity(stars),
            columns: [(); 6].map(|()| vec![0.0; particles * stars]),
        }
    }

    /// Snapshots taken so far.
    pub fn taken(&self) -> usize {
        self.times.len()
    }

    /// Takes the next, at `time` Gyr.
    pub fn take(&mut self, time: f64, particles: &Particles) -> Result<(), StageError> {
        let star = self.taken();
        if star >= self.stars
            || particles.positions.len() != self.particles
            || particles.velocities.len() != self.particles
        {
            return Err(StageError::Bug("a snapshot that does not fit".to_owned()));
        }
        for (axis, column) in self.columns.iter_mut().enumerate() {
            let vectors = if axis < 3 {
                &particles.positions
            } else {
                &particles.velocities
            };
            let places = column.iter_mut().skip(star).step_by(self.stars);
            places
                .zip(vectors)
                .for_each(|(place, vector)| *place = vector[axis % 3]);
        }
        self.times.push(time);
        Ok(())
    }

    /// The first snapshot, as a table of its own.
    pub fn first(&self) -> Vec<(&'static str, Values)> {
        let number = |column: &Vec<f64>| column.iter().step_by(self.stars).copied().collect::<Vec<_>>().into();
        let columns = CARTESIAN
            .iter()
            .zip(&self.columns)
            .map(|(name, column)| (name.name, number(column)));
        let time = self.times.first().copied().unwrap_or_default();
        let identity = [
            ("stream", (0..self.particles as i64).collect::<Vec<_>>().into()),
            ("star", vec![0_i64; self.particles].into()),
            ("t", vec![time; self.particles].into()),
        ];
        identity.into_iter().chain(columns).collect()
    }

    /// All of them.
    pub fn into_columns(self) -> Vec<(&'static str, Values)> {
        let stars = self.stars as i64;
        let stream = (0..self.particles as i64).flat_map(|stream| (0..stars).map(move |_| stream));
        let star = (0..self.particles).flat_map(|_| 0..stars);
        let time: Vec<f64> = (0..self.particles).flat_map(|_| self.times.iter().copied()).collect();
        let identity = [
            ("stream", stream.collect::<Vec<i64>>().into()),
            ("star", star.collect::<Vec<i64>>().into()),
            ("t", time.into()),
        ];
        let columns = CARTESIAN
            .iter()
            .zip(self.columns)
            .map(|(name, column)| (name.name, column.into()));
        identity.into_iter().chain(columns).collect()
    }
}
