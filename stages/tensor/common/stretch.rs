//! Predictions for some stars as columns, and what is made of several predictions of one star.

use runner::error::StageError;
use stages::apply::predict::spread_layout;
use stages::common::columns::{
    ACCELERATION, ACTIONS, ACTIONS_SD, ANGLES, ANGLES_SD, CONVERGED, Column, FREQUENCIES, FREQUENCIES_SD, INSIDE,
    PHYSICAL,
};
use stages::common::io::named;
use stages::common::layout::{Layout, StarId};
use stages::common::measured::ErrorParameters;
use stages::common::spread::Spread;
use tables::Values;
use tch::{Device, Kind, Tensor};

/// Three components, each with a value for every star.
pub type Three<T> = [Vec<T>; 3];

/// Predictions for some stars, in the order of the table.
#[derive(Default)]
pub struct Stretch {
    /// Which stars they are.
    pub ids: Vec<StarId>,
    /// J', km/s kpc, by component.
    pub actions: Three<f64>,
    /// What each star by itself would have, where `actions` are those of a stream.
    pub own_actions: Option<Three<f64>>,
    /// θ', rad.
    pub angles: Option<Three<f64>>,
    /// Ω', km/s/kpc.
    pub frequencies: Option<Three<f64>>,
    /// (km/s)²/kpc.
    pub accelerations: Option<Three<f64>>,
    /// Standard deviations of the actions.
    pub actions_sd: Option<Three<Option<f64>>>,
    /// Standard deviations of the angles.
    pub angles_sd: Option<Three<f64>>,
    /// Standard deviations of the frequencies.
    pub frequencies_sd: Option<Three<f64>>,
    /// Whether the search for J' ended.
    pub converged: Vec<bool>,
    /// Whether the toy's actions are where the network was trained, where that is known.
    pub inside: Vec<Option<bool>>,
    /// What the errors of measurement make of the stars, and what is written of that.
    pub spreads: Option<(ErrorParameters, Vec<Spread>)>,
}

impl Stretch {
    /// The columns of what there is.
    pub fn columns(&self) -> Vec<(&'static str, Values)> {
        let mut table = Layout::of_stars(|id: &StarId| *id).columns(&self.ids);
        let mut add = |columns: &[Column; 3], values: Option<&Three<f64>>| {
            if let Some(values) = values {
                table.extend(named(columns, values.each_ref().map(Vec::as_slice)));
            }
        };
        add(&ACTIONS, Some(&self.actions));
        add(&ANGLES, self.angles.as_ref());
        add(&ANGLES_SD, self.angles_sd.as_ref());
        add(&FREQUENCIES, self.frequencies.as_ref());
        add(&FREQUENCIES_SD, self.frequencies_sd.as_ref());
        add(&ACCELERATION, self.accelerations.as_ref());
        if let Some(values) = &self.actions_sd {
            table.extend(named(&ACTIONS_SD, values.clone()));
        }
        if let Some((errors, spreads)) = &self.spreads {
            table.extend(spread_layout(errors, self.frequencies.is_some()).columns(spreads));
        }
        table.push((CONVERGED, self.converged.clone().into()));
        table.push((INSIDE, self.inside.clone().into()));
        table.push((PHYSICAL, self.physical().into()));
        table
    }

    /// Whether J_z and J_r are not negative, and Ω_z and Ω_r positive.
    pub fn physical(&self) -> Vec<bool> {
        let holds = |row: usize| {
            let [_, z, r] = self.actions.each_ref().map(|values| values[row]);
            let frequencies = self
                .frequencies
                .as_ref()
                .map(|all| all.each_ref().map(|values| values[row]));
            z >= 0.0 && r >= 0.0 && frequencies.is_none_or(|[_, z, r]| z > 0.0 && r > 0.0)
        };
        (0..self.ids.len()).map(holds).collect()
    }

    /// Keeps these rows.
    pub fn keep(&mut self, rows: &[usize]) {
        fn pick<T: Clone>(values: &mut Vec<T>, rows: &[usize]) {
            *values = rows.iter().filter_map(|&row| values.get(row).cloned()).collect();
        }
        pick(&mut self.ids, rows);
        pick(&mut self.converged, rows);
        pick(&mut self.inside, rows);
        if let Some((_, spreads)) = &mut self.spreads {
            pick(spreads, rows);
        }
        self.actions.iter_mut().for_each(|values| pick(values, rows));
        self.actions_sd
            .iter_mut()
            .flatten()
            .for_each(|values| pick(values, rows));
        let others = [
            &mut self.own_actions,
            &mut self.angles,
            &mut self.frequencies,
            &mut self.accelerations,
            &mut self.angles_sd,
            &mut self.frequencies_sd,
        ];
        others
            .into_iter()
            .flatten()
            .flatten()
            .for_each(|values| pick(values, rows));
    }
}

/// Mean and sample standard deviation over the first dimension: (members, stars, 3) → two of (stars, 3). The mean of angles is
/// the direction of the mean of their unit vectors, and their deviations are taken around the circle from there.
pub fn mean_and_deviation(values: &Tensor, is_angle: bool) -> (Tensor, Tensor) {
    let over = |tensor: &Tensor| tensor.mean_dim([0_i64].as_slice(), false, Kind::Double);
    let members = values.size()[0];
    if members == 1 {
        return (values.select(0, 0), Tensor::zeros_like(&values.select(0, 0)));
    }
    let turn = std::f64::consts::TAU;
    let (mean, away) = if is_angle {
        let mean = over(&values.sin()).atan2(&over(&values.cos()));
        let away = values - &mean;
        (mean.remainder(turn), &away - (&away / turn).round() * turn)
    } else {
        let mean = over(values);
        let away = values - &mean;
        (mean, away)
    };
    let variance = over(&away.square()) * (members as f64 / (members as f64 - 1.0));
    (mean, variance.sqrt())
}

/// A tensor (stars, 3) as columns.
pub fn three(tensor: &Tensor) -> Result<Three<f64>, StageError> {
    let tensor = tensor.detach().to_device(Device::Cpu);
    let column = |axis: i64| Vec::<f64>::try_from(tensor.select(-1, axis).contiguous()).map_err(StageError::failed);
    Ok([column(0)?, column(1)?, column(2)?])
}

/// For each star, the standard deviation over its stream of the J' that its stars by themselves would have.
pub fn spread_within(stars: &Stretch) -> Three<Option<f64>> {
    let mut members: std::collections::BTreeMap<i64, Vec<usize>> = std::collections::BTreeMap::new();
    for (row, id) in stars.ids.iter().enumerate() {
        members.entry(id.stream).or_default().push(row);
    }
    let own = stars.own_actions.as_ref().unwrap_or(&stars.actions);
    own.each_ref().map(|values| {
        let mut found = vec![None; values.len()];
        for rows in members.values().filter(|rows| rows.len() > 1) {
            let count = rows.len() as f64;
            let mean = rows.iter().map(|&row| values[row]).sum::<f64>() / count;
            let squares = rows.iter().map(|&row| (values[row] - mean).powi(2)).sum::<f64>();
            for &row in rows {
                found[row] = Some((squares / (count - 1.0)).sqrt());
            }
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_averaged_around_the_circle() {
        let tau = std::f64::consts::TAU;
        let values = Tensor::from_slice(&[0.1, 1.0, 3.0, tau - 0.1, 1.2, 3.2]).view([2, 1, 3]);
        let (mean, deviation) = mean_and_deviation(&values, true);
        let at = |tensor: &Tensor, axis| tensor.double_value(&[0, axis]);
        assert!(at(&mean, 0) < 1e-12 || at(&mean, 0) > tau - 1e-12, "{}", at(&mean, 0));
        assert!((at(&mean, 1) - 1.1).abs() < 1e-12 && (at(&mean, 2) - 3.1).abs() < 1e-12);
        // Two values ± 0.1 around their mean: a sample deviation of 0.1 √2.
        for axis in 0..3 {
            assert!((at(&deviation, axis) - 0.1 * 2.0_f64.sqrt()).abs() < 1e-12);
        }
        let (mean, _) = mean_and_deviation(&values, false);
        assert!((at(&mean, 0) - tau / 2.0).abs() < 1e-12);
    }
}
