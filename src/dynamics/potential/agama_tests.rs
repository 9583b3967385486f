#![allow(clippy::unwrap_used)]

use super::*;
use crate::potential::{MilkyWay, Symmetry};

fn error(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("is read: {text}"),
        Err(error) => error.to_string(),
    }
}

/// Every type, with defaults and synonyms, is the potential of ours that it names.
#[test]
fn every_type_is_read() {
    let at = [3.0, -7.0, 1.5];
    let same = |section: &str, expected: &dyn Potential| {
        let read = read(&format!("[Potential]\n{section}")).unwrap();
        let (ours, theirs) = (
            read.potential_and_acceleration(at),
            expected.potential_and_acceleration(at),
        );
        let off = (0..3)
            .map(|i| (ours.1[i] - theirs.1[i]).abs())
            .fold((ours.0 - theirs.0).abs(), f64::max);
        assert!(off < 1e-9 * theirs.0.abs(), "{section}: {ours:?} instead of {theirs:?}");
        assert_eq!(read.symmetry(), expected.symmetry(), "{section}");
    };
    let disc = Disc {
        surface_density: 1e9,
        scale_length: 2.5,
        scale_height: 0.3,
        ..Disc::default()
    };
    let gas = Disc {
        profile: Profile::Isothermal,
        hole_radius: 4.0,
        ..disc
    };
    let halo = Spheroid {
        density: 1e7,
        axis_ratio: 0.8,
        scale_radius: 15.0,
        ..Spheroid::default()
    };
    let galaxy = |discs, spheroids| Galaxy::new(discs, spheroids).unwrap();
    same(
        "type = Disk\nsurfaceDensity = 1e9\nscaleRadius=2.5\nscaleHeight=0.3",
        &galaxy(vec![disc], vec![]),
    );
    same(
        "TYPE = disk\nSigma0 = 1e9\nscaleRadius=2.5\nscaleHeight=-0.3 # sech\ninnerCutoffRadius=4\nlmax=12",
        &galaxy(vec![gas], vec![]),
    );
    let mass = 2.0 * PI * 2.5 * 2.5 * 1e9;
    same(
        &format!("type=Disk\nmass={mass}\nscaleRadius=2.5\nscaleHeight=0.3"),
        &galaxy(vec![disc], vec![]),
    );
    same(
        "type=Spheroid\nrho0=1e7\nq=0.8\nscaleRadius=15\ngamma=1\nbeta=3",
        &galaxy(vec![], vec![halo]),
    );
    same(
        "type=Multipole\ndensity=Spheroid\nrho0=1e7\nq=0.8\nscaleRadius=15\nbeta=3\ngridSizeR=40\nlmax=12",
        &galaxy(vec![], vec![halo]),
    );
    same(
        "type=Dehnen\nmass=1e10\nscaleRadius=2",
        &Dehnen::hernquist(1e10, 2.0).unwrap(),
    );
    let flat = Spheroid {
        density: 2.0 * 1e10 / (4.0 * PI * 0.6 * 8.0),
        axis_ratio: 0.6,
        outer_slope: 4.0,
        scale_radius: 2.0,
        ..halo
    };
    same(
        "type=Dehnen\nmass=1e10\nscaleRadius=2\naxisRatioZ=0.6",
        &galaxy(vec![], vec![flat]),
    );
    same("type=NFW\nmass=1e12\nscaleRadius=16", &Nfw::new(1e12, 16.0).unwrap());
    same(
        "type=Plummer\nmass=1e10\nscaleRadius=0.5",
        &Plummer::new(1e10, 0.5).unwrap(),
    );
    same("type=Plummer\nmass=1e10\nscaleRadius=0", &Kepler::new(1e10).unwrap());
    same(
        "type=Isochrone\nmass=1e11\nscaleRadius=5",
        &Isochrone::new(1e11, 5.0).unwrap(),
    );
    same(
        "type=MiyamotoNagai\nmass=-1e10\nscaleRadius=3\nscaleHeight=0.3",
        &MiyamotoNagai::of_any_mass(-1e10, 3.0, 0.3).unwrap(),
    );
    same(
        "type=Logarithmic\nv0=220\nscaleRadius=2\np=0.9\nq=0.7",
        &Logarithmic::new(220.0, 2.0, [1.0, 0.9, 0.7]).unwrap(),
    );
}

/// The components of McMillan (2017) in a file are those by name, whatever their order.
#[test]
fn sections_are_summed() {
    let text = "\
# McMillan (2017)
[Potential halo]
type = NFW
mass = 804368524650.7319
scaleRadius = 19.5725
[Potential gas]
type = Disk
surfaceDensity = 2.17995e+09
scaleRadius = 1.5
scaleHeight = -0.045
innerCutoffRadius = 12
[potential HI]
type = Disk
surfaceDensity = 5.31319e+07
scaleRadius = 7
scaleHeight = -0.085
innerCutoffRadius = 4
[Potential thin]
type = Disk
surfaceDensity = 8.95679e+08
scaleRadius = 2.49955
scaleHeight = 0.3
[Potential thick]
type = Disk
surfaceDensity = 1.83444e+08
scaleRadius = 3.02134
scaleHeight = 0.9
[Potential bulge]
type = Spheroid
densityNorm = 9.8351e+10
axisRatioZ = 0.5
gamma = 0
beta = 1.8
scaleRadius = 0.075
outerCutoffRadius = 2.1
";
    let (read, named) = (read(text).unwrap(), MilkyWay::McMillan17.build().unwrap());
    assert_eq!(read.symmetry(), Symmetry::Axisymmetric);
    for x in [[8.2, 0.0, 0.02], [1.0, 2.0, -3.0], [20.0, 40.0, 10.0]] {
        let (ours, theirs) = (read.acceleration(x), named.acceleration(x));
        // An NFW halo by its formula, and by its expansion.
        assert!(
            (0..3).all(|i| (ours[i] - theirs[i]).abs() < 1e-5 * theirs[0].abs()),
            "{ours:?} and {theirs:?}"
        );
    }
}

/// What is not read is said with its line.
#[test]
fn what_is_not_read_is_said_with_its_line() {
    assert_eq!(error(""), "line 1: the file ends without a section [Potential]");
    assert_eq!(
        error("# x\ntype = Disk"),
        "line 2: `type` stands before the first section [Potential]"
    );
    assert_eq!(
        error("[Potential]\n\n[Data]"),
        "line 3: section [Data] is no [Potential]"
    );
    assert_eq!(
        error("[Potential]\ntype"),
        "line 2: `type` is neither a [section] nor key = value"
    );
    assert_eq!(error("[Potential]\nmass = 1"), "line 1: the section has no `type`");
    assert!(error("[Potential]\ntype = Ferrers").starts_with("line 2: type Ferrers is not read: Disk, "));
    assert!(
        error("[Potential]\ntype = Multipole\nfile = x").contains("line 2: type Multipole is read only with `density`")
    );
    assert_eq!(
        error("[Potential]\ntype=NFW\nmass=one"),
        "line 3: `mass` must be a number, not `one`"
    );
    assert_eq!(
        error("[Potential]\ntype=NFW\nmass=1\nMass=2"),
        "line 4: `mass` is given twice in its section"
    );
    assert_eq!(
        error("[Potential]\ntype=NFW\nmass=1\ncenter=1,0,0"),
        "line 4: `center` is not read for type NFW"
    );
    assert_eq!(
        error("[Potential]\ntype=NFW\nmass=-1"),
        "line 1: nfw: mass must be positive and finite, not -1"
    );
    let spheroid = |more: &str| error(&format!("[Potential]\ntype=Spheroid\n{more}"));
    assert_eq!(
        spheroid("mass=1\nbeta=3"),
        "line 1: has no finite mass: give `densitynorm`"
    );
    assert_eq!(
        spheroid("mass=1\nrho0=3"),
        "line 1: `densitynorm` and `mass` exclude each other"
    );
    assert!(spheroid("rho0=1\np=0.9").contains("a triaxial density is not read"));
    assert!(error("[Potential]\ntype=Disk\nmass=1\nscaleHeight=0").contains("scale_height must be positive"));
}
