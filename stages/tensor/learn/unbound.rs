//! Stars that a toy does not bind, or whose toy angles mean nothing: what a training does without.

use std::collections::BTreeSet;

use networks::isochrone::Isochrone;
use networks::toy::undetermined;
use runner::context::StageContext;
use runner::error::StageError;
use runner::stage::Outcome;
use stages::common::io::TableContext;
use stages::common::layout::StarId;
use stages::common::set_aside::SetAside;
use stages::learn::tables;

use crate::common::failed;
use crate::common::sample::Sample;

/// A star that the toy does not bind.
struct LooseStar {
    set: &'static str,
    row: usize,
    star: tables::Unbound,
}

/// All stars that the toy does not bind.
pub struct Unbound {
    stars: Vec<LooseStar>,
    /// Number of stars in all sets.
    pub of_stars: usize,
    streams: usize,
    of_streams: usize,
}

impl Unbound {
    /// Looks for them in these sets.
    pub fn find(toy: &Isochrone, sets: &[(&'static str, &Sample)]) -> Result<Self, StageError> {
        let mut stars = Vec::new();
        let (mut streams, mut of_stars, mut of_streams) = (0, 0, 0);
        for (set, sample) in sets {
            let energies = sample.unbound(std::slice::from_ref(toy))?;
            let ids: BTreeSet<i64> = energies.keys().map(|&row| sample.ids[row].stream).collect();
            streams += ids.len();
            of_stars += sample.stars();
            of_streams += sample.streams.len();
            stars.extend(energies.into_iter().map(|(row, energy)| LooseStar {
                set,
                row,
                star: tables::Unbound {
                    id: sample.ids[row],
                    energy,
                },
            }));
        }
        Ok(Self {
            stars,
            of_stars,
            streams,
            of_streams,
        })
    }

    /// Writes the table `unbound`.
    pub fn write(&self, context: &StageContext) -> Result<(), StageError> {
        context.metric("unbound_stars", self.stars.len() as f64, "");
        context.metric("unbound_streams", self.streams as f64, "");
        let rows: Vec<tables::Unbound> = self.stars.iter().map(|star| star.star).collect();
        context.write_rows("unbound", &tables::unbound(), &rows)
    }

    fn title(&self) -> String {
        format!(
            "{} of {} streams are unbound in the toy potential",
            self.streams, self.of_streams
        )
    }

    /// What is said of them where none may be unbound.
    pub fn finding(&self, toy: &Isochrone) -> Option<Outcome> {
        /// Rows that are listed in the detail.
        const LISTED: usize = 12;
        if self.stars.is_empty() {
            return None;
        }
        let title = self.title();
        let mut detail = format!(
            "{} of {} stars have energy ≥ 0 in the isochrone of mass {:.4e} M_sun and scale {:.4} kpc, so they have no \
             toy actions and no network was trained. ",
            self.stars.len(),
            self.of_stars,
            toy.mass(),
            toy.scale_kpc(),
        );
        let rows = self.stars.iter().take(LISTED).map(|star| {
            let LooseStar { set, row, star } = star;
            let tables::Unbound { id, energy } = star;
            let StarId { stream, star } = id;
            format!("{set} row {row} (stream {stream}, star {star}): {energy:.1} (km/s)^2")
        });
        detail += &rows.collect::<Vec<_>>().join("; ");
        if self.stars.len() > LISTED {
            detail += &format!("; {} more in the table `unbound`", self.stars.len() - LISTED);
        }
        Some(Outcome::Finding { title, detail })
    }
}

/// The stars of a set of which something can be learned: of streams that the toy binds, with toy angles. The others are set aside.
pub fn usable(sample: Sample, toy: &Isochrone, lost: &mut SetAside) -> Result<Option<Sample>, StageError> {
    let mut push = |sample: &Sample, row: usize, why: &'static str| lost.push(sample.ids[row], why);
    let loose: BTreeSet<usize> = sample.unbound(std::slice::from_ref(toy))?.into_keys().collect();
    for &row in &loose {
        push(&sample, row, "it is unbound in the toy potential");
    }
    for row in sample.mates(&loose) {
        push(&sample, row, "a star of its stream is unbound in the toy potential");
    }
    let left = if loose.is_empty() {
        Some(sample)
    } else {
        sample.without(loose)
    };
    let Some(sample) = left else { return Ok(None) };
    let rows = undetermined(toy, &sample.streams.x, &sample.streams.v).map_err(failed)?;
    let rows: BTreeSet<usize> = rows.into_iter().map(|place| sample.rows[place]).collect();
    if rows.is_empty() {
        return Ok(Some(sample));
    }
    for &row in &rows {
        push(
            &sample,
            row,
            "its orbit leads through the centre, where the toy's angles have no meaning",
        );
    }
    Ok(sample.without_stars(&rows))
}
