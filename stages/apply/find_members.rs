//! The stars of a table that belong to streams of which some members are known.

use std::collections::BTreeMap;

use dynamics::phase_space::{Actions, Angles};
use dynamics::streams::{Candidate, Members, members};
use runner::arrow_schema::Schema;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::{Connected, Counts, InputPort, OutputPort, connected_schema};
use runner::stage::{Fault, Outcome, Role, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::{RecordBatch, take_rows};

use crate::common::columns::{self, ACTIONS, ACTIONS_SD, ANGLES, ANGLES_SD, Column};
use crate::common::io::{TableContext, called, quantity, star_ids};
use crate::common::layout::{Layout, StarId};
use crate::common::set_aside::{self, OnFailure, SetAside};
use crate::common::spread;

/// `find_members`
///
/// ```yaml
/// find_members:
///   from: { stars: halo_actions, known: stream_actions }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FindMembers {
    /// What to do about stars without actions, and about streams whose known members do not say where to search.
    pub failures: OnFailure,
}

const NO_STREAM: i64 = -1;

const MEMBERSHIP: Column = Column {
    name: "membership",
    unit: "",
    frame: "",
    description: "probability that the star belongs to the stream member_of",
};

/// What is found of a star: its likeliest stream, and with which probability.
#[derive(Clone, Copy)]
struct Found {
    stream: i64,
    probability: f64,
}

/// A stream as it is found.
struct Row {
    stream: i64,
    known: usize,
    members: Members,
}

/// What is written beside the columns of the input.
fn layout() -> Layout<Found> {
    Layout::new()
        .count(
            "member_of",
            "the known stream that the star most probably belongs to; −1 where it belongs to none",
            |found: &Found| found.stream,
        )
        .number(MEMBERSHIP, |found| found.probability)
}

const EXPECTED: Column = Column {
    name: "members",
    unit: "",
    frame: "",
    description: "how many stars belong to the stream: the sum of their probabilities",
};

const OTHERS: Column = Column {
    name: "others",
    unit: "",
    frame: "",
    description: "density of other stars at the stream over that of one member at its middle; the odds there are members : others",
};

fn streams() -> Layout<Row> {
    // The spread of the members, without their errors.
    let deviations = |row: &Row, first: usize| -> [f64; 3] {
        std::array::from_fn(|i| row.members.covariance[first + i][first + i].sqrt())
    };
    Layout::of_streams(|row: &Row| row.stream)
        .count("known", "known members", |row| row.known as i64)
        .number(EXPECTED, |row| row.members.expected)
        .number(OTHERS, |row| row.members.others)
        .quantity(|row: &Row| row.members.actions)
        .quantity(|row: &Row| row.members.angles)
        .numbers(&ACTIONS_SD, move |row| deviations(row, 0))
        .numbers(&ANGLES_SD, move |row| deviations(row, 3))
        .flag("settled", "whether the probabilities had settled", |row| {
            row.members.settled
        })
}

impl Stage for FindMembers {
    const KIND: &'static str = "find_members";
    const ABOUT: &'static str =
        "Find the stars that belong to streams of which members are known, by actions and angles";
    const REVISION: u32 = 1;
    const ROLE: Role = Role::Apply;

    fn inputs(&self) -> Vec<InputPort> {
        let needs = columns::needs(&[&ACTIONS, &ANGLES]);
        vec![InputPort::table("stars", &needs), InputPort::table("known", &needs)]
    }

    fn outputs(&self, connected: &Connected) -> Result<Vec<OutputPort>, String> {
        let none = Schema::empty();
        let input = connected_schema(connected, "stars").map_or(&none, |schema| schema.as_ref());
        let outputs = vec![
            OutputPort::table("stars", layout().beside(input, &[])),
            OutputPort::table("streams", streams().schema()),
            set_aside::port(),
        ];
        Ok(columns::named(outputs, connected))
    }

    fn counts(&self, inputs: &Counts) -> Result<Counts, Vec<Fault>> {
        Ok(Counts::of("stars", inputs.at("stars")))
    }

    fn run(&self, context: &mut StageContext) -> Result<Outcome, StageError> {
        let mut without = SetAside::default();
        let table = context.read_table("stars")?;
        let all = table.num_rows();
        let found = candidates(context, &table, &mut without)?.into_iter();
        let (rows, stars): (Vec<usize>, Vec<Candidate>) = found.map(|(row, _, star)| (row, star)).unzip();
        let mut known: BTreeMap<i64, Vec<(StarId, Candidate)>> = BTreeMap::new();
        let members_known = context.read_table("known")?;
        let total = all + members_known.num_rows();
        for (_, id, star) in candidates(context, &members_known, &mut without)? {
            known.entry(id.stream).or_default().push((id, star));
        }
        let mut found = vec![
            Found {
                stream: NO_STREAM,
                probability: 0.0
            };
            stars.len()
        ];
        let streams_known = known.len();
        let progress = context.progress(streams_known as u64, "streams");
        let mut searched = Vec::new();
        for (done, (stream, known)) in known.into_iter().enumerate() {
            let of: Vec<Candidate> = known.iter().map(|(_, star)| *star).collect();
            match members(&of, &stars) {
                Ok(of_stream) => {
                    for (found, &probability) in found.iter_mut().zip(&of_stream.probabilities) {
                        if probability > found.probability {
                            *found = Found { stream, probability };
                        }
                    }
                    searched.push(Row {
                        stream,
                        known: known.len(),
                        members: of_stream,
                    });
                }
                Err(reason) => {
                    let reason = reason.to_string();
                    known.iter().for_each(|(id, _)| without.push(*id, reason.clone()));
                }
            }
            progress.at(done as u64 + 1, "");
        }
        without.write(context, self.failures, total, "stars")?;
        if searched.is_empty() && streams_known > 0 {
            return Ok(set_aside::all_set_aside(streams_known, "streams"));
        }
        for row in searched.iter().filter(|row| !row.members.settled) {
            context.note(format!(
                "the members of stream {} had not settled",
                called(context, row.stream)?
            ));
        }
        context.metric("streams", searched.len() as f64, "");
        context.metric("members", searched.iter().map(|row| row.members.expected).sum(), "");
        let likely: Vec<f64> = found
            .iter()
            .map(|found| found.probability)
            .filter(|p| *p > 0.5)
            .collect();
        context.metric("likely_members", likely.len() as f64, "");
        if !likely.is_empty() {
            context.metric("expected_purity", likely.iter().sum::<f64>() / likely.len() as f64, "");
        }
        let table = take_rows(&table, &rows).map_err(StageError::failed)?;
        context.write_beside("stars", &table, &layout(), &found)?;
        context.write_rows("streams", &streams(), &searched)?;
        Ok(Outcome::Complete)
    }
}

/// The stars of a table that have actions and angles, with their rows; others are set aside.
fn candidates(
    context: &StageContext,
    table: &RecordBatch,
    without: &mut SetAside,
) -> Result<Vec<(usize, StarId, Candidate)>, StageError> {
    let (actions, angles): (Vec<Actions>, Vec<Angles>) = (quantity(table)?, quantity(table)?);
    let errors = spread::covariances(table)?;
    if errors.as_ref().is_some_and(|errors| !errors.whole) {
        context.note("errors of actions and angles are taken as uncorrelated; `errors: { correlations: all }` of estimate_actions tells how they are");
    }
    let mut found = Vec::with_capacity(actions.len());
    for (row, id) in star_ids(table)?.into_iter().enumerate() {
        let (a, t) = (actions[row], angles[row]);
        let covariance = errors.as_ref().map(|errors| errors.rows[row]);
        let numbers = [a.phi, a.z, a.r, t.phi, t.z, t.r]
            .into_iter()
            .chain(covariance.iter().flatten().flatten().copied());
        if numbers.into_iter().all(f64::is_finite) {
            let candidate = Candidate {
                actions: a,
                angles: t,
                covariance,
            };
            found.push((row, id, candidate));
        } else {
            without.push(id, "its actions, angles or their errors are missing");
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::common::quantities::Quantity;
    use crate::testing::{Ran, run, stage, table};
    use tables::Values;

    /// Points of a low-discrepancy sequence: independent enough, and the same everywhere.
    fn even(n: usize, i: usize) -> f64 {
        const STEPS: [f64; 6] = [0.8567, 0.7339, 0.6287, 0.5386, 0.4614, 0.3953];
        (0.5 + (n + 1) as f64 * STEPS[i]).fract()
    }

    /// Stars of a narrow clump at these actions: row by row J and θ.
    fn clump(stars: usize, j_z: f64) -> Vec<[f64; 6]> {
        let at = |n: usize, i: usize| even(n, i) - 0.5;
        let row = |n| {
            [
                800.0 + 30.0 * at(n, 0),
                j_z + 20.0 * at(n, 1),
                300.0 + 20.0 * at(n, 2),
                2.0 + 0.6 * at(n, 3),
                3.0 + 0.5 * at(n, 4),
                4.0 + 0.4 * at(n, 5),
            ]
        };
        (0..stars).map(row).collect()
    }

    fn smooth(stars: usize) -> Vec<[f64; 6]> {
        let turn = std::f64::consts::TAU;
        let row = |n| {
            [
                2000.0 * even(n, 0),
                2000.0 * even(n, 1),
                1000.0 * even(n, 2),
                turn * even(n, 3),
                turn * even(n, 4),
                turn * even(n, 5),
            ]
        };
        (0..stars).map(row).collect()
    }

    fn named(rows: &[[f64; 6]], stream: impl Fn(usize) -> i64, sd: Option<f64>) -> RecordBatch {
        let column = |i: usize| rows.iter().map(|row| row[i]).collect::<Vec<f64>>();
        let (actions, angles) = (Actions::COLUMNS, Angles::COLUMNS);
        let groups: &[&[Column]] = match sd {
            Some(_) => &[&ACTIONS, &ANGLES, &ACTIONS_SD, &ANGLES_SD],
            None => &[&ACTIONS, &ANGLES],
        };
        let mut columns: Vec<(&str, Values)> = vec![
            ("stream", (0..rows.len()).map(&stream).collect::<Vec<_>>().into()),
            ("star", (0..rows.len() as i64).collect::<Vec<_>>().into()),
        ];
        for (i, of) in actions.iter().chain(&angles).enumerate() {
            columns.push((of.name, column(i).into()));
        }
        if let Some(sd) = sd {
            for (of, scale) in ACTIONS_SD
                .iter()
                .map(|of| (of, 10.0))
                .chain(ANGLES_SD.iter().map(|of| (of, 0.1)))
            {
                columns.push((of.name, vec![sd * scale; rows.len()].into()));
            }
        }
        table(columns::stars(groups), columns)
    }

    fn search(stars: &RecordBatch, known: &RecordBatch) -> Ran {
        run(
            &stage::<FindMembers>(json!({})),
            &[("stars", stars), ("known", known)],
            &[],
        )
        .completed()
    }

    #[test]
    fn each_star_is_given_to_its_likeliest_stream() {
        let (low, high) = (clump(60, 200.0), clump(60, 900.0));
        let rows = [smooth(4000), low[10..].to_vec(), high[10..].to_vec()].concat();
        let known = [low[..10].to_vec(), high[..10].to_vec(), smooth(3)].concat();
        let stream = |n: usize| [7, 9, 11][n / 10];
        let ran = search(&named(&rows, |n| n as i64, None), &named(&known, stream, None));
        let of = ran.i64("stars", "member_of");
        let probability = ran.f64("stars", "membership");
        let likely = |rows: std::ops::Range<usize>, stream: i64| {
            rows.filter(|row| of[*row] == stream && probability[*row] > 0.5).count()
        };
        assert!(likely(4000..4050, 7) >= 48 && likely(4050..4100, 9) >= 48);
        assert!(likely(0..4000, 7) + likely(0..4000, 9) <= 2);
        assert!(
            (0..rows.len())
                .all(|row| (0.0..=1.0).contains(&probability[row])
                    && (of[row] == NO_STREAM) == (probability[row] == 0.0))
        );
        // Three stars are no stream: they are set aside under its number.
        assert_eq!(ran.i64("streams", "stream"), [7, 9]);
        assert_eq!(ran.i64("set_aside", "stream"), [11; 3]);
        assert_eq!(
            ran.texts("set_aside", "reason")[0],
            "3 known members are too few, 8 are needed"
        );
        assert!((ran.metric("members") - 100.0).abs() < 5.0);
    }

    /// The spread of the members is told without their errors; correlations that are not there are said to be missing.
    #[test]
    fn errors_widen_the_search_and_not_the_stream() {
        let members = clump(60, 200.0);
        let rows = [smooth(4000), members[20..].to_vec()].concat();
        let known = members[..20].to_vec();
        let width = |sd: Option<f64>| {
            let ran = search(&named(&rows, |n| n as i64, sd), &named(&known, |_| 1, sd));
            assert_eq!(ran.notes().contains("correlations: all"), sd.is_some());
            (ran.f64("streams", "J_phi_sd")[0], ran.f64("streams", "members")[0])
        };
        let (plain, with) = (width(None), width(Some(0.5)));
        assert!(with.0 < 0.95 * plain.0 && with.0 > 0.5 * plain.0, "{plain:?} {with:?}");
        assert!((with.1 - 40.0).abs() < 4.0, "{with:?}");
    }
}
