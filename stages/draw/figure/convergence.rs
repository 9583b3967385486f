//! How well streams that are simulated in one field after the other agree with those that are seen: whether the turns of footnote 1 of Ibata et
//! al. (2021) have come to an end.

use dynamics::statistics::rms;
use runner::error::StageError;
use runner::ports::InputPort;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tables::RecordBatch;

use super::axis::Axis;
use super::names::or_usual;
use super::picture::{Guide, Mark, Panel, Picture, Row, Series, Shared, counted, points};
use super::style::Colour;
use super::text::Label;
use super::{Drawing, Tables, f64s};

/// `draw: convergence`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Convergence {
    /// What `beside` is called in the legend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
}

const TURNS: [&str; 8] = [
    "turns", "turns_2", "turns_3", "turns_4", "turns_5", "turns_6", "turns_7", "turns_8",
];
const BESIDE: &str = "beside";

impl Drawing for Convergence {
    fn ports(&self) -> Vec<InputPort> {
        let needs = [("stream", ""), ("chi", ""), ("ln_likelihood", "")];
        vec![
            InputPort::table(TURNS[0], &needs).repeated(&TURNS[1..]),
            InputPort::table(BESIDE, &needs).optional(),
        ]
    }

    fn draw(&self, tables: &Tables) -> Result<Picture, StageError> {
        let turns = tables.iter().filter(|(port, _)| *port != BESIDE);
        let turns = turns.map(|(_, table)| turn(table)).collect::<Result<Vec<_>, _>>()?;
        let beside = tables.iter().find(|(port, _)| *port == BESIDE);
        let beside = beside.map(|(_, table)| turn(table)).transpose()?;
        let name = or_usual(&self.beside, "forward fit");
        Ok(convergence(&turns, beside.as_ref().map(|beside| (name, beside))))
    }
}

/// The streams of one field.
pub struct Turn {
    /// χ of each.
    pub chi: Vec<f64>,
    /// ln of the likelihood of all of them.
    pub ln_likelihood: f64,
}

impl Turn {
    fn usual(&self) -> f64 {
        rms(self.chi.iter().copied()).unwrap_or(f64::NAN)
    }
}

fn turn(table: &RecordBatch) -> Result<Turn, StageError> {
    Ok(Turn {
        chi: f64s(table, "chi")?,
        ln_likelihood: f64s(table, "ln_likelihood")?.iter().sum(),
    })
}

/// Draws χ of the streams and their root mean square against the number of the field; below, ln of the likelihood of all of them.
pub fn convergence(turns: &[Turn], beside: Option<(String, &Turn)>) -> Picture {
    let numbers = || (1..=turns.len()).map(|number| number as f64);
    let x = Axis::over(numbers(), Label::plain("field"), "");
    let ends = [1.0, turns.len() as f64];
    let all = || turns.iter().chain(beside.as_ref().map(|(_, beside)| *beside));
    let chi = all().flat_map(|turn| turn.chi.iter().copied()).chain([0.0]);
    let each = numbers()
        .zip(turns)
        .flat_map(|(x, turn)| turn.chi.iter().map(move |chi| (x, *chi)));
    let line = |of: &dyn Fn(&Turn) -> f64| points(numbers().zip(turns.iter().map(of)));
    let level = |of: &dyn Fn(&Turn) -> f64| {
        let (name, beside) = beside.as_ref()?;
        let places = points(ends.map(|x| (x, of(beside))));
        Some(Series::new(name.clone(), Mark::Dashes, Colour::Ink, places))
    };
    let with = |panel: Panel, series: Option<Series>| series.into_iter().fold(panel, Panel::with);
    let upper = Panel::new("chi", x.clone(), Axis::over(chi, Label::symbol("χ"), ""))
        .guide(Guide::Level(1.0))
        .with(Series::new("streams", Mark::Dots(2.0), Colour::Series(0), points(each)))
        .with(Series::new(
            "root mean square",
            Mark::Line,
            Colour::Series(1),
            line(&Turn::usual),
        ));
    let likelihood = |turn: &Turn| turn.ln_likelihood;
    let y = Axis::over(all().map(likelihood), Label::plain("ln L"), "");
    let lower = Panel::new("ln L", x, y).with(Series::new(
        "all streams",
        Mark::Line,
        Colour::Series(1),
        line(&likelihood),
    ));
    let streams = turns.iter().map(|turn| turn.chi.len()).max().unwrap_or(0);
    let dashes = match &beside {
        Some((name, _)) => format!(" Dashes: {name}."),
        None => String::new(),
    };
    Picture {
        title: "Streams simulated in one field after the other".to_owned(),
        caption: format!(
            "χ of {} as simulated in {}, and ln of the likelihood of all of them; 1 is what errors and the streams' own width make.{dashes}",
            counted(streams, "stream"),
            counted(turns.len(), "field"),
        ),
        stars_outside: None,
        rows: vec![
            Row::one(110.0, with(upper, level(&Turn::usual))),
            Row::one(64.0, with(lower, level(&likelihood))),
        ],
        shared: Shared { x: true, y: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_of_all_streams() {
        let turn = |chi: [f64; 2], ln_likelihood| Turn {
            chi: chi.to_vec(),
            ln_likelihood,
        };
        let beside = turn([1.0, 1.0], 130.0);
        let picture = convergence(
            &[turn([3.0, 4.0], 100.0), turn([1.0, 1.0], 120.0)],
            Some(("the truth".to_owned(), &beside)),
        );
        let panels: Vec<&Panel> = picture.panels().collect();
        let line = |panel: usize, series: usize| panels[panel].series[series].points.clone();
        assert_eq!(line(0, 0).len(), 4);
        assert_eq!(line(0, 1), points([(1.0, 12.5_f64.sqrt()), (2.0, 1.0)]));
        assert_eq!(line(0, 2), points([(1.0, 1.0), (2.0, 1.0)]));
        assert_eq!(line(1, 0), points([(1.0, 100.0), (2.0, 120.0)]));
        assert_eq!(line(1, 1), points([(1.0, 130.0), (2.0, 130.0)]));
        assert_eq!(picture.outside().0, 0);
        assert!(picture.caption.contains("2 streams") && picture.caption.contains("the truth"));
    }
}
