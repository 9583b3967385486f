#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;
use crate::sample::integrate_orbits::IntegrateOrbits;
use crate::testing::{run, stage};

fn orbits(times: &str) -> tables::RecordBatch {
    let with = json!({
        "potential": { "logarithmic": { "velocity": 200.0, "core": 0.5, "axes": [1.0, 0.9, 0.75] } },
        "sample": "halo", "streams": 24, "stars": 128, "duration": 8.0, "times": times,
        "halo": { "within": 60.0 }, "integrator": "dop853", "seed": 3,
    });
    run(&stage::<IntegrateOrbits>(with), &[], &[]).completed().tables["stars"].clone()
}

#[test]
fn tubes_are_kept_and_the_others_are_counted() {
    let table = orbits("regular");
    let with = json!({ "family": "tubes", "least_circularity": 0.3, "greatest_drift": 0.05, "stars": 8, "seed": 1 });
    let ran = run(&stage::<SelectOrbits>(with), &[("stars", &table)], &[]).completed();
    let verdicts = ran.texts("orbits", "verdict");
    assert_eq!(verdicts.len(), 24);
    let kept = verdicts.iter().filter(|verdict| **verdict == KEPT).count();
    assert!(kept > 0 && kept < 24, "{verdicts:?}");
    assert_eq!(ran.i64("stars", "stream").len(), 8 * kept);
    assert_eq!(ran.metric("orbits_kept"), kept as f64);
    let families = ran.texts("orbits", "family");
    for ((verdict, family), drift) in verdicts.iter().zip(families).zip(ran.f64("orbits", "drift")) {
        assert_eq!(*verdict == BOX, family == "box");
        assert!(*verdict != KEPT || drift <= 0.05);
    }
    assert!(ran.notes().contains("of 24 orbits"), "{}", ran.notes());
}

#[test]
fn points_at_random_times_are_set_aside_by_name() {
    let random = orbits("random");
    let ran = run(&stage::<SelectOrbits>(json!({})), &[("stars", &random)], &[]);
    assert!(matches!(ran.result, Ok(Outcome::Finding { .. })), "{:?}", ran.result);
    assert_eq!(ran.i64("set_aside", "stream").len(), 24);
    assert!(ran.texts("set_aside", "reason")[0].contains("equal intervals"));
    let ran = run(
        &stage::<SelectOrbits>(json!({ "failures": "fail" })),
        &[("stars", &random)],
        &[],
    );
    assert!(ran.error().contains("first stream 0"), "{}", ran.error());
}
