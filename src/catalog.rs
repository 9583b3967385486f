//! The list of stage kinds.

use runner::catalog::Catalog;
use stages::apply::command::Command;
use stages::apply::estimate_accelerations::EstimateAccelerations;
use stages::apply::estimate_actions::EstimateActions;
use stages::apply::find_members::FindMembers;
use stages::apply::predict::Predict;
use stages::apply::recover_velocities::RecoverVelocities;
use stages::apply::tabulate_field::TabulateField;
use stages::common::units;
use stages::draw::figure::Figure;
use stages::judge::aggregate::Aggregate;
use stages::judge::bin_errors::BinErrors;
use stages::judge::compare::Compare;
use stages::judge::compare_galaxy::CompareGalaxy;
use stages::learn::build_finder::BuildFinder;
use stages::learn::fit_galaxy::FitGalaxy;
use stages::learn::train_acceleration::TrainAcceleration;
use stages::learn::train_actions::TrainActions;
use stages::learn::train_inverse::TrainInverse;
use stages::learn::train_potential::TrainPotential;
use stages::observe::correct_streams::CorrectStreams;
use stages::observe::observe::Observe;
use stages::observe::select_orbits::SelectOrbits;
use stages::observe::select_stars::SelectStars;
use stages::observe::split::Split;
use stages::sample::import_network::ImportNetwork;
use stages::sample::import_streams::ImportStreams;
use stages::sample::integrate_orbits::IntegrateOrbits;
use stages::sample::map_tori::MapTori;
use stages::sample::simulate_nbody::SimulateNbody;
use stages::sample::spray_streams::SprayStreams;

/// Every kind a pipeline may name.
pub fn catalog() -> Catalog {
    Catalog::default()
        .with_quantities(units::read)
        .with::<ImportStreams>()
        .with::<ImportNetwork>()
        .with::<IntegrateOrbits>()
        .with::<MapTori>()
        .with::<SimulateNbody>()
        .with::<SprayStreams>()
        .with::<Observe>()
        .with::<SelectOrbits>()
        .with::<SelectStars>()
        .with::<Split>()
        .with::<CorrectStreams>()
        .with::<EstimateActions>()
        .with::<EstimateAccelerations>()
        .with::<BuildFinder>()
        .with::<TrainPotential>()
        .with::<FitGalaxy>()
        .with::<TrainActions>()
        .with::<TrainAcceleration>()
        .with::<TrainInverse>()
        .with::<TabulateField>()
        .with::<Predict>()
        .with::<RecoverVelocities>()
        .with::<FindMembers>()
        .with::<Command>()
        .with::<Compare>()
        .with::<BinErrors>()
        .with::<CompareGalaxy>()
        .with::<Aggregate>()
        .with::<Figure>()
}
