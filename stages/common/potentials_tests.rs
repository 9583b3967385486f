#![allow(clippy::unwrap_used)]

use runner::stage::Stage;
use serde_json::json;

use crate::apply::estimate_accelerations::EstimateAccelerations;
use crate::apply::estimate_actions::EstimateActions;
use crate::apply::predict::Predict;
use crate::apply::tabulate_field::TabulateField;
use crate::learn::train_actions::TrainActions;
use crate::sample::integrate_orbits::IntegrateOrbits;
use crate::sample::map_tori::MapTori;
use crate::testing::stage;

/// Every kind with a potential says which file it is in: the file's content is in the fingerprint, and its path is not.
#[test]
fn every_kind_with_a_potential_names_its_file() {
    fn check<S: Stage>(with: serde_json::Value, name: &str) {
        let stage = stage::<S>(with);
        let files = stage.files();
        assert_eq!(files.len(), 1, "{}", S::KIND);
        assert_eq!(files[0].name(), name, "{}", S::KIND);
        let mut parameters = serde_json::to_value(&stage).unwrap();
        assert!(parameters.to_string().contains("galaxy.ini"));
        files[0].remove_from(&mut parameters);
        assert!(
            !parameters.to_string().contains("galaxy.ini"),
            "{}: {parameters}",
            S::KIND
        );
    }
    let agama = json!({ "agama": "galaxy.ini" });
    check::<IntegrateOrbits>(
        json!({ "potential": agama, "sample": "halo", "streams": 2, "stars": 2, "duration": 1 }),
        "potential.agama",
    );
    check::<MapTori>(
        json!({ "potential": agama, "sample": "disc", "streams": 2 }),
        "potential.agama",
    );
    check::<EstimateAccelerations>(json!({ "potential": agama }), "potential.agama");
    check::<Predict>(json!({ "potential": agama }), "potential.agama");
    check::<TabulateField>(json!({ "potential": agama }), "potential.agama");
    for method in ["spherical", "staeckel_fudge", "torus", "o2gf"] {
        let place = format!("method.{method}.potential.agama");
        check::<EstimateActions>(json!({ "method": { method: { "potential": agama } } }), &place);
    }
    check::<TrainActions>(
        json!({ "network": { "smooth": { "flow": { "potential": agama } } } }),
        "network.smooth.flow.potential.agama",
    );
}
