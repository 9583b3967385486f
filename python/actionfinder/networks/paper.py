"""The canonical map of ``network: paper`` (Ibata et al. 2021): (θ, J) → (θ', J') by a generating function, → (θ'', J'') by a change of
angles.

J' = J − ∂G/∂θ, θ' = θ + ∂G/∂J' with G = atan2(o₁, o₀) + o₂ of a network of cos θ, sin θ and J'; θ'' = θ' + atan2(o₀₋₂, o₃₋₅) of another
one of cos θ' and sin θ'; J'' = (∂θ'/∂θ'')ᵀ J'. Actions inside are in units of 4000 km/s kpc.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..units import Array
from .canonical import CanonicalMap, Streams
from .file import NetworkFile
from .jets import Jet, Number, atan2, cos, linear, part, sin, stack, value, variables, where
from .roots import Flags

UNIT = 4000.0
"""The unit of actions inside, km/s kpc."""

_NARROWEST = 64
_SETTLED = 1e-12


def _relu(a: Number) -> Number:
    return where(value(a) > 0.0, a, np.zeros_like(value(a)))


class _Residual:
    """Residual blocks x + W₂²·relu(W₁²·relu(x)) between dense layers; each W is applied twice, with rows of norm g."""

    def __init__(self, file: NetworkFile, name: str, width: int, depth: int) -> None:
        def dense(layer: str) -> tuple[Array, Array]:
            return file.array(f"{name}.{layer}.weight").T, file.array(f"{name}.{layer}.bias")

        def twice(layer: str) -> tuple[Array, Array]:
            v = file.array(f"{name}.{layer}.v")
            weight = v * (file.array(f"{name}.{layer}.g") / np.sqrt((v**2).sum(axis=1, keepdims=True)))
            bias = file.arrays.get(f"{name}.{layer}.bias", np.zeros(len(v)))
            return (weight @ weight).T, weight @ bias + bias

        widths = [min(_NARROWEST << min(block, depth - 1 - block), width) for block in range(depth)]
        before = [widths[0], *widths[:-1]]
        self._into, self._out = dense("into"), dense("out")
        self._blocks = [
            (
                dense(f"blocks.{block}.link") if now != last else None,
                twice(f"blocks.{block}.first"),
                twice(f"blocks.{block}.second"),
            )
            for block, (last, now) in enumerate(zip(before, widths, strict=True))
        ]

    def __call__(self, features: Number) -> Number:
        x = linear(features, *self._into)
        for link, first, second in self._blocks:
            if link is not None:
                x = linear(x, *link)
            x = x + linear(_relu(linear(_relu(x), *first)), *second)
        return linear(x, *self._out)


@dataclass(frozen=True)
class _Change:
    """A change of angles: θ'', K = ∂θ''/∂θ' (n, 3, 3), and where they are wanted the second derivatives (n, i, j, k)."""

    theta: Array
    slope: Array
    curvature: Array | None


class PaperMap(CanonicalMap):
    """The networks G and P, without dropout."""

    def __init__(self, file: NetworkFile) -> None:
        super().__init__(file)
        size = file.json("architecture")
        self._generating = _Residual(file, "generating", size["width"], size["generating_depth"])
        self._point = _Residual(file, "point", size["width"], size["point_depth"])

    def _shares(self) -> bool:
        return False

    def _g(self, angles: Array, actions: Array, second: bool) -> Jet:
        """G and its derivatives by (θ, J')."""
        by = variables(np.hstack([angles, actions]), second)
        o = self._generating(stack([*(cos(a) for a in by[:3]), *(sin(a) for a in by[:3]), *by[3:]]))
        found: Jet = atan2(part(o, 1), part(o, 0)) + part(o, 2)
        return found

    def _change(self, angles: Array, second: bool) -> _Change:
        by = variables(angles, second)
        o = self._point(stack([*(cos(a) for a in by), *(sin(a) for a in by)]))
        theta: list[Jet] = [by[i] + atan2(part(o, i), part(o, i + 3)) for i in range(3)]
        curvature = np.stack([np.moveaxis(a.second, -1, 0) for a in theta if a.second is not None], axis=1) if second else None
        return _Change(np.stack([a.value for a in theta], axis=-1), np.stack([a.first.T for a in theta], axis=1), curvature)

    def _settled(self, angles: Array, actions: Array) -> tuple[Array, Flags]:
        """J' of each star by its damped fixed point, and which have not come to an end."""
        own = actions.copy()
        damping, before = np.ones((len(own), 1)), np.full((len(own), 1), np.inf)
        for _ in range(60):
            step = actions - self._g(angles, own, second=False).first[:3].T - own
            size = np.abs(step).max(axis=1, keepdims=True)
            smaller = size < before
            before = size
            if (before < _SETTLED).all():
                break
            damping = np.maximum(np.where(smaller, damping, 0.5 * damping), 0.05)
            own = own + step * damping
        return own, ~(before[:, 0] < _SETTLED)

    def _image(self, angles: Array, actions: Array, groups: Streams) -> tuple[Array, Array, Array, Flags]:
        toy = actions / UNIT
        own, open_ = self._settled(angles, toy)
        slopes = self._g(angles, own, second=False).first
        change = self._change(angles + slopes[3:].T, second=False)
        return _covariant(change.slope, toy - slopes[:3].T) * UNIT, change.theta, own, open_

    def _frequencies(self, angles: Array, rates: tuple[Array, Array], refined: Array) -> Array:
        """As the program has it: J' stays where it is."""
        g = self._g(angles, refined, second=True)
        assert g.second is not None
        mixed = np.moveaxis(g.second[3:, :3], -1, 0)
        change = self._change(angles + g.first[3:].T, second=False)
        turned = rates[0][..., None] + mixed @ rates[0][..., None]
        return np.asarray((change.slope @ turned)[..., 0])

    def _pulled(self, angles: Array, actions: Array, refined: Array, by: tuple[Array, Array]) -> tuple[Array, Array]:
        of_actions, of_angles = by[0] / UNIT, by[1]
        g = self._g(angles, refined, second=True)
        assert g.second is not None
        second = np.moveaxis(g.second, -1, 0)
        middle = np.linalg.solve(np.eye(3) + second[:, :3, 3:], of_actions - second[:, :3, :3] @ of_angles)
        turned = of_angles + second[:, 3:, :3] @ of_angles + second[:, 3:, 3:] @ middle
        change = self._change(angles + g.first[3:].T, second=True)
        assert change.curvature is not None
        found = _covariant(change.slope, actions / UNIT - g.first[:3].T)
        # Kᵀ J'' = J': its derivative has that of K.
        bent = np.einsum("nijk,nkm,ni->njm", change.curvature, turned, found)
        final = np.linalg.solve(np.swapaxes(change.slope, 1, 2), middle - bent)
        return final * UNIT, change.slope @ turned


def _covariant(slope: Array, actions: Array) -> Array:
    """J'' of Kᵀ J'' = J', by Cramer's rule."""
    rows = [slope[:, i] for i in range(3)]
    cross = [np.cross(rows[(i + 1) % 3], rows[(i + 2) % 3]) for i in range(3)]
    determinant = (rows[0] * cross[0]).sum(axis=-1)
    return np.stack([(normal * actions).sum(axis=-1) / determinant for normal in cross], axis=-1)
