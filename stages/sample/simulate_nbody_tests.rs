#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use runner::context::{ArtifactFile, Cancel, Device};
use runner::event::Told;
use runner::ports::Artifact;
use serde_json::json;

use super::*;
use crate::apply::estimate_actions::EstimateActions;
use crate::testing::{faults, run, stage};

fn sphere(more: serde_json::Value) -> SimulateNbody {
    let mut with = json!({ "particles": 400, "duration": 0.003, "snapshots": 4, "records": 3, "seed": 5 });
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stage(with)
}

/// What a run in a folder of its own, or in that of an earlier one, gave: the bytes of its outputs if it ended, and the steps
/// that it told. It is cancelled once it tells `cancel_at` or more.
fn go(
    stage: &SimulateNbody,
    folder: &Path,
    threads: usize,
    cancel_at: Option<u64>,
) -> (Option<Vec<Vec<u8>>>, Vec<u64>) {
    let outputs: BTreeMap<String, ArtifactFile> = (stage.outputs(&Connected::new()).unwrap().into_iter())
        .map(|output| {
            let path = folder.join(format!("{}.output", output.name));
            (
                output.name.to_owned(),
                ArtifactFile {
                    path,
                    artifact: output.artifact,
                },
            )
        })
        .collect();
    let paths: Vec<_> = outputs.values().map(|file| file.path.clone()).collect();
    let checkpoints = folder.join("checkpoints");
    std::fs::create_dir_all(&checkpoints).unwrap();
    let (told, cancel) = (Arc::new(Mutex::new(Vec::new())), Cancel::default());
    let (listener, canceller) = (told.clone(), cancel.clone());
    let mut context = StageContext {
        inputs: BTreeMap::new(),
        outputs,
        files: BTreeMap::new(),
        checkpoints,
        device: Device::Cpu,
        threads,
        tensor_threads: 1,
        pause_after: None,
        cancel,
        teller: Arc::new(move |one| {
            if let Told::Progress { done, .. } = one {
                listener.lock().unwrap().push(done);
                if cancel_at.is_some_and(|at| done >= at) {
                    canceller.cancel();
                }
            }
        }),
    };
    let bytes = match stage.run(&mut context) {
        Ok(Outcome::Complete) => Some(paths.iter().map(|path| std::fs::read(path).unwrap()).collect()),
        Err(StageError::Cancelled) => None,
        other => panic!("{other:?}"),
    };
    (
        bytes,
        Arc::try_unwrap(told).map_or_else(|told| told.lock().unwrap().clone(), |told| told.into_inner().unwrap()),
    )
}

#[test]
fn what_is_left_out_is_the_experiment_of_the_paper() {
    let usual: SimulateNbody = stage(json!({}));
    let Model::Plummer(sphere) = usual.model;
    assert_eq!((sphere.mass.get(), sphere.scale.get()), (5e5, 0.02));
    assert_eq!(
        (usual.particles, usual.softening.get(), usual.duration.get()),
        (1_000_000, 0.001, 0.07)
    );
    let schedule = usual.schedule();
    assert!((schedule.time(schedule.snapshot) - 0.01).abs() < 1e-15);
    assert!(schedule.step <= usual.step.get() && schedule.step > 0.95 * usual.step.get());
    assert_eq!(schedule.total, 7 * schedule.snapshot);
    assert_eq!(schedule.snapshot, 10 * schedule.record);
}

#[test]
fn a_step_that_fits_is_taken_as_it_is() {
    let with = json!({ "duration": 0.003, "snapshots": 4, "records": 5, "step": 0.0001 });
    let schedule = stage::<SimulateNbody>(with).schedule();
    assert_eq!((schedule.record, schedule.total), (2, 30));
}

#[test]
fn every_particle_is_a_stream_and_every_snapshot_a_star() {
    let with = sphere(json!({}));
    let ran = run(&with, &[], &[]).completed();
    let rows = 4 * 400;
    assert_eq!(
        ran.i64("snapshots", "stream"),
        (0..rows).map(|row| row / 4).collect::<Vec<_>>()
    );
    assert_eq!(
        ran.i64("snapshots", "star"),
        (0..rows).map(|row| row % 4).collect::<Vec<_>>()
    );
    let times = ran.f64("snapshots", "t");
    let schedule = with.schedule();
    for (row, time) in times.iter().enumerate() {
        assert_eq!(*time, schedule.time(schedule.snapshot * (row as u64 % 4)));
    }
    // The library by itself, at the end.
    let mut alone = Simulation::new(with.particles().unwrap(), &with.settings(schedule.step)).unwrap();
    alone.virialise();
    let first = alone.particles().clone();
    assert!((alone.diagnostics().virial_ratio() - 1.0).abs() < 1e-12);
    alone.advance_to(0.003, |_| true).unwrap();
    assert_eq!(alone.steps(), schedule.total);
    for (n, name) in ["x", "y", "z", "vx", "vy", "vz"].into_iter().enumerate() {
        let (column, initial) = (ran.f64("snapshots", name), ran.f64("initial", name));
        let of = |particles: &Particles, row: usize| {
            if n < 3 {
                particles.positions[row][n]
            } else {
                particles.velocities[row][n - 3]
            }
        };
        for row in 0..400 {
            assert_eq!(column[4 * row], initial[row]);
            assert_eq!(initial[row], of(&first, row));
            assert_eq!(column[4 * row + 3], of(alone.particles(), row), "{name} {row}");
        }
    }
    assert_eq!(ran.i64("initial", "star"), [0; 400]);
}

#[test]
fn diagnostics_say_what_is_conserved() {
    // So few particles have the forces of 10⁶ at the usual opening, good to 0.5 %, at an opening of 0.3.
    let with = sphere(json!({
        "particles": 3000, "duration": 0.02, "snapshots": 3, "step": 1e-4, "precision": "double", "opening": 0.3,
    }));
    let ran = run(&with, &[], &[]).completed();
    let times = ran.f64("diagnostics", "t");
    assert_eq!(times.len(), 2 * 3 + 1);
    assert!((times[6] - 0.02).abs() < 1e-15 && times.is_sorted());
    let energy = ran.f64("diagnostics", "energy");
    let errors = ran.f64("diagnostics", "energy_error");
    assert_eq!(errors[6], (energy[6] - energy[0]) / energy[0].abs());
    let largest = errors.iter().map(|error| error.abs()).fold(0.0, f64::max);
    assert_eq!(ran.metric("largest_energy_error"), largest);
    // 200 steps of a tree force good to 0.5 %; the issue asks for 1e-4 over the whole run.
    assert!(largest > 0.0 && largest < 1e-4, "{largest}");
    // Rounding of sums of 3000 terms, over 200 steps.
    assert!(ran.metric("largest_momentum_error") < 1e-12);
    let radii = ["r_1", "r_10", "r_25", "r_50", "r_75", "r_90", "r_99"].map(|name| ran.f64("diagnostics", name)[0]);
    assert!(radii.is_sorted());
    // Half the mass of a Plummer sphere lies within 1.3048 a; 3000 particles give it to 2 %.
    assert!((radii[3] / (1.3048 * 0.02) - 1.0).abs() < 0.06, "{}", radii[3]);
    let virial = ran.f64("diagnostics", "virial_ratio")[0];
    assert!((virial - 1.0).abs() < 1e-12, "{virial}");
}

/// What pairs of cells exert on each other is opposite, but does not lie along the line between them: angular momentum changes by
/// the errors of the forces, and by nothing else.
#[test]
fn angular_momentum_changes_by_the_errors_of_the_forces() {
    let turned = |opening: f64, order: u32| {
        let with = json!({
            "particles": 3000, "duration": 0.01, "snapshots": 2, "records": 1, "step": 2e-4, "precision": "double",
            "opening": opening, "order": order,
        });
        run(&sphere(with), &[], &[])
            .completed()
            .metric("largest_angular_momentum_error")
    };
    let (usual, tight, high, direct) = (turned(0.48, 3), turned(0.2, 3), turned(0.6, 5), turned(1e-3, 3));
    // About 4e-5, 3e-6 and 6e-7 in units of √(2 T M) times the half-mass radius: it falls as the errors of the forces do. The bound
    // leaves a factor of five for other seeds.
    assert!(usual < 2e-4, "{usual:e}");
    assert!(
        tight < 0.3 * usual && high < 0.1 * usual,
        "{usual:e} {tight:e} {high:e}"
    );
    // No cell is expanded: what is left is rounding.
    assert!(direct < 1e-13, "{direct:e}");
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let with = sphere(json!({ "particles": 3000, "duration": 0.0009 }));
    let bytes = |threads: usize| {
        let own = folder.path().join(threads.to_string());
        go(&with, &own, threads, None).0.unwrap()
    };
    let one = bytes(1);
    assert!(bytes(2) == one && bytes(3) == one);
}

#[test]
fn a_cancelled_simulation_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let with = sphere(json!({}));
    let schedule = with.schedule();
    let (whole, told) = go(&with, &folder.path().join("whole"), 1, None);
    assert_eq!((told.first(), told.last()), (Some(&0), Some(&schedule.total)));
    // In the middle of an interval, on a row of diagnostics, on a snapshot, next to the end.
    let at = [
        schedule.record / 2,
        schedule.record,
        schedule.snapshot,
        schedule.snapshot + 1,
        schedule.total - 1,
    ];
    let again = folder.path().join("again");
    let mut from = 0;
    for cancel_at in at {
        let (ended, told) = go(&with, &again, 1, Some(cancel_at));
        assert!(ended.is_none(), "cancelled at {cancel_at}");
        assert!(told.iter().all(|&step| step == 0 || step >= from), "it began again");
        from = *told.last().unwrap();
    }
    let (resumed, told) = go(&with, &again, 1, None);
    assert!(resumed == whole, "the bytes differ");
    assert!(told.iter().all(|&step| step == 0 || step >= from), "it began again");
}

#[test]
fn a_damaged_checkpoint_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let with = sphere(json!({}));
    let (whole, _) = go(&with, &folder.path().join("whole"), 1, None);
    let left = folder.path().join("left");
    let reached = with.schedule().snapshot + 2;
    assert!(go(&with, &left, 1, Some(reached)).0.is_none());
    let names: Vec<_> = std::fs::read_dir(left.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        names.len(),
        5,
        "two snapshots, the particles, diagnostics and the list: {names:?}"
    );
    for (number, name) in names.iter().enumerate() {
        let again = folder.path().join(format!("again {number}"));
        std::fs::create_dir_all(again.join("checkpoints")).unwrap();
        for name in &names {
            std::fs::copy(
                left.join("checkpoints").join(name),
                again.join("checkpoints").join(name),
            )
            .unwrap();
        }
        let file = again.join("checkpoints").join(name);
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let (made, told) = go(&with, &again, 1, None);
        assert!(made == whole, "{name:?} was believed");
        assert!(told.iter().any(|&step| step > 0 && step < reached), "{name:?} was used");
    }
}

/// Encounters change actions by √(t/t_relax), t_relax = N/(8 ln Λ) crossing times: for 3000 particles, five crossing times and
/// ln Λ = 3 a fifth of their size, and twice that for a quarter of the particles.
#[test]
fn actions_change_by_encounters_only() {
    let changes = |particles: u32| -> [f64; 3] {
        let with = json!({ "particles": particles, "duration": 0.01, "snapshots": 2 });
        let ran = run(&sphere(with), &[], &[]).completed();
        let potential = json!({ "plummer": { "mass": 5e5, "scale": 0.02 } });
        let method = json!({ "method": { "spherical": { "potential": potential } }, "failures": "set_aside" });
        let method = stage::<EstimateActions>(method);
        let estimated = run(&method, &[("stars", &ran.tables["snapshots"])], &[]).completed();
        ["J_phi", "J_z", "J_r"].map(|name| {
            let action = estimated.f64("stars", name);
            let change: f64 = action.chunks(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
            2.0 * change / action.iter().map(|j| j.abs()).sum::<f64>()
        })
    };
    let (many, few) = (changes(3000), changes(750));
    for (many, few) in many.into_iter().zip(few) {
        assert!(many > 0.0 && many < 0.2, "{many}");
        assert!(few > 1.3 * many && few < 4.0 * many, "{few} {many}");
    }
}

#[test]
fn faults_are_named() {
    let with = json!({ "particles": 1, "snapshots": 1, "opening": 1.0, "order": 9, "records": 0, "step": 1e-12 });
    let found = faults::<SimulateNbody>(with);
    assert!(serde_json::from_value::<SimulateNbody>(json!({ "softening": -1.0 })).is_err());
    let at: Vec<&str> = found.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    assert_eq!(at, ["particles", "snapshots", "records", "opening", "order", "step"]);
}

#[test]
fn snapshots_are_tables_of_stars() {
    let with = sphere(json!({}));
    let outputs = with.outputs(&Connected::new()).unwrap();
    let Artifact::Table(schema) = &outputs[0].artifact else {
        panic!("{outputs:?}")
    };
    for column in CARTESIAN {
        assert_eq!(
            runner::ports::unit_of(schema.field_with_name(column.name).unwrap()),
            column.unit
        );
    }
}
