"""Gravitational potentials."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Literal

from . import _native
from .definitions import names, plain
from .errors import DefinitionError
from .units import ACTION, Array, Numbers, column, stars, vectors

Symmetry = Literal["spherical", "axisymmetric", "triaxial", "twofold"]


class Potential:
    """A static gravitational potential Φ, in the frame of its centre.

    Potentials have the names and parameters of pipelines (`Potential.names` lists them)::

        Potential("piffl_14")
        Potential(miyamoto_nagai=dict(mass=6.8e10, radius=3.0, height=0.28))
        Potential(plummer=dict(mass=1e10, scale=0.5), nfw=dict(mass=1e12, scale=20 * u.kpc))

    Several at once are added up. Numbers are in M_sun, kpc and km/s; astropy quantities are converted, and so are texts such as
    ``"5 kpc"``.

    **Fails when** a name or a parameter is none, or a value is out of range: `DefinitionError`.
    """

    __slots__ = ("_json", "native")

    def __init__(self, definition: str | Mapping[str, Any] | None = None, /, **parts: Any) -> None:
        given: list[Any] = [] if definition is None else [definition]
        given.extend({name: parameters} for name, parameters in parts.items())
        if not given:
            raise DefinitionError("which potential? Potential.names() lists them")
        found = plain(given[0] if len(given) == 1 else {"composite": given})
        self._json = json.dumps(found)
        try:
            self.native = _native.Potential(self._json)
        except ValueError as error:
            raise DefinitionError(str(error)) from None

    @staticmethod
    def names() -> list[str]:
        """What potentials there are."""
        return names()

    @classmethod
    def named(cls, name: str) -> Potential:
        """The potential that has this name and no parameters, such as ``"piffl_14"``."""
        return cls(name)

    @classmethod
    def from_yaml(cls, source: str | os.PathLike[str]) -> Potential:
        """The potential of a YAML text, or of a file, as it stands below ``potential:`` in a pipeline. Needs PyYAML."""
        import yaml

        text = os.fspath(source)
        if isinstance(source, os.PathLike) or text.endswith((".yaml", ".yml")):
            with open(text, encoding="utf-8") as file:
                text = file.read()
        found = yaml.safe_load(text)
        if isinstance(found, Mapping) and set(found) == {"potential"}:
            found = found["potential"]
        return cls(found)

    @property
    def definition(self) -> Any:
        """Its name and parameters, all of them, in M_sun, kpc and km/s."""
        return json.loads(self.native.json())

    @property
    def symmetry(self) -> Symmetry:
        """What it looks the same under."""
        return self.native.symmetry()

    @property
    def at_infinity(self) -> float:
        """Φ at infinity, (km/s)²: 0, or infinite for a logarithmic halo."""
        return self.native.at_infinity()

    def potential(self, x: Numbers) -> Array:
        """Φ(x), (km/s)². ``x`` (…, 3) in kpc."""
        x, lead = vectors(x, "kpc", "positions")
        return self.native.potential(x).reshape(lead)

    def acceleration(self, x: Numbers) -> Array:
        """−∇Φ, (km/s)²/kpc, (…, 3). ``x`` (…, 3) in kpc."""
        x, lead = vectors(x, "kpc", "positions")
        return self.native.acceleration(x).reshape(*lead, 3)

    def hessian(self, x: Numbers) -> Array:
        """∂²Φ/∂x_i∂x_j, (km/s)²/kpc², (…, 3, 3). ``x`` (…, 3) in kpc."""
        x, lead = vectors(x, "kpc", "positions")
        return self.native.hessian(x).reshape(*lead, 3, 3)

    def density(self, x: Numbers) -> Array:
        """ρ = ∇²Φ / 4πG, M_sun/kpc³. ``x`` (…, 3) in kpc."""
        x, lead = vectors(x, "kpc", "positions")
        return self.native.density(x).reshape(lead)

    def energy(self, xv: Any) -> Array:
        """E = ½v² + Φ, (km/s)². ``xv`` (…, 6) in kpc and km/s, or a pair (x, v)."""
        rows, lead = stars(xv)
        return self.native.energy(rows).reshape(lead)

    def circular_velocity(self, R: Numbers) -> Array:
        """v_c = √(R ∂Φ/∂R) in the plane z = 0, along the x axis, km/s; 0 where gravity points outwards. ``R`` in kpc."""
        rows, shape = column(R, "kpc")
        return self.native.circular_velocity(rows).reshape(shape)

    def epicycle_frequencies(self, R: Numbers) -> Array:
        """Ω, ν and κ of nearly circular orbits, km/s/kpc, (…, 3) in the order φ, z, r. ``R`` in kpc.

        Ω² = ∂Φ/∂R / R, ν² = ∂²Φ/∂z², κ² = ∂²Φ/∂R² + 3Ω²; 0 for one that is not real (Binney & Tremaine 2008, section 3.2.3).
        """
        rows, shape = column(R, "kpc")
        return self.native.epicycle_frequencies(rows).reshape(*shape, 3)

    def guiding_radius(self, L_z: Numbers) -> Array:
        """Radius R with R v_c(R) = |L_z|, kpc; NaN where there is no such orbit. ``L_z`` in km/s kpc."""
        rows, shape = column(L_z, ACTION)
        return self.native.guiding_radius(rows).reshape(shape)

    def __add__(self, other: Potential) -> Potential:
        """The sum of two."""
        if not isinstance(other, Potential):
            return NotImplemented
        parts: list[Any] = []
        for one in (self.definition, other.definition):
            is_sum = isinstance(one, dict) and "composite" in one
            parts.extend(one["composite"] if is_sum else [one])
        return Potential({"composite": parts})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Potential) and self.definition == other.definition

    def __hash__(self) -> int:
        return hash(self.native.json())

    def __reduce__(self) -> tuple[Any, ...]:
        return Potential, (self.definition,)

    def __repr__(self) -> str:
        return f"Potential({self.definition!r})"
