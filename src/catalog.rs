//! The list of stage kinds.

use runner::catalog::Catalog;
use stages::bin_errors::BinErrors;
use stages::compare::Compare;
use stages::estimate_accelerations::EstimateAccelerations;
use stages::estimate_actions::EstimateActions;
use stages::figure::Figure;
use stages::import_streams::ImportStreams;
use stages::integrate_orbits::IntegrateOrbits;
use stages::map_tori::MapTori;
use stages::observe::Observe;
use stages::predict::Predict;
use stages::recover_velocities::RecoverVelocities;
use stages::select_orbits::SelectOrbits;
use stages::simulate_nbody::SimulateNbody;
use stages::split::Split;
use stages::tabulate_field::TabulateField;
use stages::train_acceleration::TrainAcceleration;
use stages::train_actions::TrainActions;
use stages::train_inverse::TrainInverse;
use stages::train_potential::TrainPotential;

/// Every kind a pipeline may name.
pub fn catalog() -> Catalog {
    Catalog::default()
        .with::<ImportStreams>()
        .with::<IntegrateOrbits>()
        .with::<MapTori>()
        .with::<SimulateNbody>()
        .with::<Observe>()
        .with::<SelectOrbits>()
        .with::<Split>()
        .with::<EstimateActions>()
        .with::<EstimateAccelerations>()
        .with::<TrainPotential>()
        .with::<TrainActions>()
        .with::<TrainAcceleration>()
        .with::<TrainInverse>()
        .with::<TabulateField>()
        .with::<Predict>()
        .with::<RecoverVelocities>()
        .with::<Compare>()
        .with::<BinErrors>()
        .with::<Figure>()
}
