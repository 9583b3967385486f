//! Potentials.

use std::sync::{Arc, OnceLock};

use dynamics::orbit::circular;
use dynamics::phase_space::PhaseSpace;
use dynamics::potential::{Isochrone, Potential, Symmetry};
use dynamics::staeckel::StaeckelFudge;
use numpy::{PyArray1, PyReadonlyArray1};
use parameters::potentials::PotentialParameters;
use pyo3::prelude::*;

use crate::arrays::{Made, Table, made, quickly, rows, stars};
use crate::errors::invalid;

/// A gravitational potential.
#[pyclass(frozen, name = "Potential", module = "actionfinder._native")]
pub struct PyPotential {
    parameters: PotentialParameters,
    field: Arc<dyn Potential>,
    /// Made when it is first asked for: it keeps what it has found out of the potential.
    fudge: OnceLock<Option<StaeckelFudge<Arc<dyn Potential>>>>,
}

impl PyPotential {
    /// The potential itself.
    pub fn field(&self) -> Arc<dyn Potential> {
        self.field.clone()
    }

    /// The Stäckel fudge in it; none where it is not axisymmetric.
    pub fn fudge(&self) -> Option<&StaeckelFudge<Arc<dyn Potential>>> {
        let made = self.fudge.get_or_init(|| StaeckelFudge::new(self.field()).ok());
        made.as_ref()
    }

    /// The isochrone, if it is one.
    pub fn isochrone(&self) -> Option<Isochrone> {
        match &self.parameters {
            PotentialParameters::Isochrone(with) => Isochrone::new(with.mass.get(), with.scale.get()).ok(),
            _ => None,
        }
    }
}

/// The JSON Schema of what names a potential.
#[pyfunction]
pub fn schema() -> String {
    schemars::schema_for!(PotentialParameters).to_value().to_string()
}

type Column<'py> = Bound<'py, PyArray1<f64>>;

#[pymethods]
impl PyPotential {
    /// The potential of these parameters, as JSON.
    #[new]
    fn new(py: Python, json: &str) -> PyResult<Self> {
        let parameters: PotentialParameters = serde_json::from_str(json).map_err(invalid)?;
        if let Some(misfit) = parameters.misfits("").into_iter().next() {
            return Err(invalid(format!(
                "{}: {}",
                misfit.at.trim_start_matches('.'),
                misfit.message
            )));
        }
        let field = py.detach(|| parameters.build()).map_err(invalid)?;
        Ok(Self {
            parameters,
            field: field.into(),
            fudge: OnceLock::new(),
        })
    }

    /// Its parameters, all of them, as JSON.
    fn json(&self) -> PyResult<String> {
        serde_json::to_string(&self.parameters).map_err(invalid)
    }

    /// `spherical`, `axisymmetric`, `triaxial` or `twofold`.
    fn symmetry(&self) -> &'static str {
        match self.field.symmetry() {
            Symmetry::Spherical => "spherical",
            Symmetry::Axisymmetric => "axisymmetric",
            Symmetry::Triaxial => "triaxial",
            Symmetry::Twofold => "twofold",
        }
    }

    /// Φ at infinity.
    fn at_infinity(&self) -> f64 {
        self.field.potential_at_infinity()
    }

    /// Φ at positions.
    fn potential<'py>(&self, py: Python<'py>, x: Table) -> PyResult<Column<'py>> {
        self.column(py, &rows::<3>(&x)?, |x| self.field.potential(*x))
    }

    /// −∇Φ at positions.
    fn acceleration<'py>(&self, py: Python<'py>, x: Table) -> PyResult<Made<'py>> {
        made(py, quickly(py, &rows::<3>(&x)?, |x| self.field.acceleration(*x)))
    }

    /// ∂²Φ/∂x_i∂x_j at positions: nine columns.
    fn hessian<'py>(&self, py: Python<'py>, x: Table) -> PyResult<Made<'py>> {
        let nine = |x: &[f64; 3]| {
            let hessian = self.field.hessian(*x);
            std::array::from_fn::<f64, 9, _>(|i| hessian[i / 3][i % 3])
        };
        made(py, quickly(py, &rows::<3>(&x)?, nine))
    }

    /// ρ at positions.
    fn density<'py>(&self, py: Python<'py>, x: Table) -> PyResult<Column<'py>> {
        self.column(py, &rows::<3>(&x)?, |x| self.field.density(*x))
    }

    /// ½v² + Φ of stars.
    fn energy<'py>(&self, py: Python<'py>, xv: Table) -> PyResult<Column<'py>> {
        let stars: Vec<PhaseSpace> = stars(&xv)?;
        self.column(py, &stars, |star| self.field.energy(star))
    }

    /// Circular speeds at radii.
    fn circular_velocity<'py>(&self, py: Python<'py>, radii: PyReadonlyArray1<f64>) -> PyResult<Column<'py>> {
        let field = self.field.as_ref();
        self.column(py, &radii.as_array().to_vec(), |radius| {
            circular::circular_speed(field, *radius)
        })
    }

    /// Ω, ν and κ at radii: columns φ, z, r.
    fn epicycle_frequencies<'py>(&self, py: Python<'py>, radii: PyReadonlyArray1<f64>) -> PyResult<Made<'py>> {
        let of = |radius: &f64| {
            let found = circular::epicycle(self.field.as_ref(), *radius);
            [found.azimuthal, found.vertical, found.radial]
        };
        made(py, quickly(py, &radii.as_array().to_vec(), of))
    }

    /// Radii of the circular orbits of angular momenta; NaN where there is none.
    fn guiding_radius<'py>(&self, py: Python<'py>, lz: PyReadonlyArray1<f64>) -> PyResult<Column<'py>> {
        self.column(py, &lz.as_array().to_vec(), |lz| {
            circular::guiding_radius(self.field.as_ref(), *lz).unwrap_or(f64::NAN)
        })
    }
}

impl PyPotential {
    fn column<'py, I: Sync>(
        &self,
        py: Python<'py>,
        items: &[I],
        of: impl Fn(&I) -> f64 + Sync,
    ) -> PyResult<Column<'py>> {
        Ok(PyArray1::from_vec(py, quickly(py, items, of)))
    }
}
