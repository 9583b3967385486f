"""Actions, angles, orbits and tori of stars, and the results of actionfinder's pipelines.

    >>> import actionfinder as af
    >>> galaxy = af.Potential("piffl_14")
    >>> J, theta, Omega = af.actions(galaxy, [8.0, 0.0, 0.5, 30.0, 220.0, -20.0])

Units are kpc, km/s, M_sun and Gyr; actions km/s kpc, angles radians, frequencies km/s/kpc, in the order φ, z, r. Stars are rows
(x, y, z, v_x, v_y, v_z), or pairs of positions and velocities; quantities of astropy are converted. Rows without an answer are NaN,
and ``reasons`` says why; ``errors="raise"`` raises them.
"""

from . import networks
from ._native import methods as _methods
from .action_angles import ActionAngles, actions, isochrone_points
from .command import Columns, Program, stage
from .errors import DefinitionError, ResultsError, RowError
from .networks import open_network
from .orbit import Extents, Orbits, extents, orbits
from .potentials import Potential
from .runs import Run, Stage, open_run
from .sky import Observables, Sun, icrs_to_galactic
from .tables import Table, read_table
from .torus import Tori, Torus, tori

METHODS: tuple[str, ...] = tuple(_methods())
"""Methods of `actions`, in the order of their cost."""

__all__ = [
    "METHODS",
    "ActionAngles",
    "Columns",
    "DefinitionError",
    "Extents",
    "Observables",
    "Orbits",
    "Potential",
    "Program",
    "ResultsError",
    "RowError",
    "Run",
    "Stage",
    "Sun",
    "Table",
    "Tori",
    "Torus",
    "actions",
    "extents",
    "icrs_to_galactic",
    "isochrone_points",
    "networks",
    "open_network",
    "open_run",
    "orbits",
    "read_table",
    "stage",
    "tori",
]
