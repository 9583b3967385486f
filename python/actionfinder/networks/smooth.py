"""The canonical map of ``network: smooth``: J = J' + ∂G/∂θ, θ' = θ + ∂G/∂J', with (θ, J) those of a toy isochrone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..units import Array, vectors
from .canonical import CanonicalMap, Streams, picked
from .features import Features
from .file import NetworkFile
from .jets import Number, linear, silu, total, value, variables
from .roots import Flags, Rows, newton, secants
from .toy import floored


@dataclass(frozen=True)
class _Second:
    """Derivatives of G at stars, G(0, J') subtracted: first (n, 3), second (n, 3, 3)."""

    slope: Array
    shift: Array
    angles: Array
    mixed: Array
    actions: Array

    def pulled(self, of_actions: Array, of_angles: Array) -> tuple[Array, Array]:
        """Changes of J' and θ' where the toy's actions and angles change so: (n, 3, any) each."""
        actions = np.asarray(
            np.linalg.solve(np.eye(3) + self.mixed, of_actions - self.angles @ of_angles), dtype=np.float64
        )
        angles = of_angles + np.swapaxes(self.mixed, 1, 2) @ of_angles + self.actions @ actions
        return actions, angles


class SmoothMap(CanonicalMap):
    """G(θ, J') = A Σ_k c_k o_k − (its value at θ = 0): o is a perceptron with SiLU of features at the toy point of (θ, J'), and
    c = (p, q, 1) with p ∝ x·v, q ∝ z v_z, and two more for each resonance (`Resonance`)."""

    def __init__(self, file: NetworkFile) -> None:
        super().__init__(file)
        self.features = Features.read(file)
        self._centre, self._width = file.array("centre"), file.array("width")
        depth = int(file.json("shape")["depth"])
        self._layers = [(file.array(f"parameters.{2 * n}"), file.array(f"parameters.{2 * n + 1}")) for n in range(depth + 1)]

    @property
    def action_scale(self) -> float:
        """What actions of the training stars are like, km/s kpc: their median distance times their median speed."""
        return self.features.length * self.features.speed

    def generating_function(self, theta: Any, J: Any) -> Array:
        """G(θ, J'), rad km/s kpc, up to a function of J'; both (…, 3) in the order φ, z, r."""
        angles, lead = vectors(theta, "rad", "angles")
        actions, _ = vectors(J, "km kpc / s", "actions")
        return value(self._g(list(angles.T), list(actions.T))).reshape(lead)

    def _g(self, angles: list[Number], actions: list[Number]) -> Number:
        values, factors = self.features.at(self.toy, angles, actions)
        outputs = (values - self._centre) * (1.0 / self._width)
        for number, (weight, bias) in enumerate(self._layers):
            outputs = linear(outputs, weight, bias)
            if number + 1 < len(self._layers):
                outputs = silu(outputs)
        return total(outputs * factors) * (0.1 * self.action_scale)

    def _slope(self, angles: Array, actions: Array) -> Array:
        """∂G/∂θ, (n, 3)."""
        return np.asarray(self._g(list(variables(angles, second=False)), list(actions.T)).first.T)

    def _angle_shift(self, angles: Array, actions: Array) -> Array:
        """∂G/∂J' less its value at θ = 0, (n, 3)."""
        by = variables(actions, second=False)
        at, zero = self._g(list(angles.T), list(by)), self._g(list(np.zeros_like(angles).T), list(by))
        return np.asarray((at.first - zero.first).T)

    def _second(self, angles: Array, actions: Array) -> _Second:
        by = variables(np.hstack([angles, actions]), second=True)
        at = self._g(list(by[:3]), list(by[3:]))
        zeros = variables(actions, second=True)
        zero = self._g(list(np.zeros_like(angles).T), list(zeros))
        first, second = at.first.T, np.moveaxis(at.second, -1, 0)
        return _Second(
            slope=first[:, :3],
            shift=first[:, 3:] - zero.first.T,
            angles=second[:, :3, :3],
            mixed=second[:, :3, 3:],
            actions=second[:, 3:, 3:] - np.moveaxis(zero.second, -1, 0),
        )

    def _solved(self, angles: Array, toy_actions: Array, groups: Streams) -> tuple[Array, Flags]:
        """The J' that the stars of each stream share, and where there is none: by secants, and Newton's method where these fail."""
        unit = self.action_scale
        mean = groups.mean(toy_actions)

        def misfit(rows: Rows, guess: Array) -> Array:
            chosen, part = picked(groups, rows)
            slope = self._slope(angles[chosen], guess[part.of] * unit)
            return np.asarray(guess + part.mean(slope) / unit - mean[rows] / unit)

        found, open_ = secants(mean / unit, misfit, floored)
        left = np.flatnonzero(open_)
        if len(left):
            begin = self._roughly(angles, toy_actions, groups, left) / unit

            def with_jacobian(rows: Rows, guess: Array) -> tuple[Array, Array]:
                chosen, part = picked(groups, left[rows])
                second = self._second(angles[chosen], guess[part.of] * unit)
                residual = guess + part.mean(second.slope) / unit - mean[left[rows]] / unit
                mixed = part.mean(second.mixed.reshape(-1, 9)).reshape(-1, 3, 3)
                return residual, np.eye(3) + mixed

            roots, lost = newton(begin.copy(), with_jacobian, floored)
            # What the fixed point came to is nearer than where Newton's method is lost.
            found[left] = np.where(lost[:, None], begin, roots)
            open_[left] = lost
        return found * unit, open_

    def _roughly(self, angles: Array, toy_actions: Array, groups: Streams, rows: Rows) -> Array:
        """A few steps of the damped fixed point for the streams ``rows``."""
        chosen, part = picked(groups, rows)
        toy = part.mean(toy_actions[chosen])
        reach = np.abs(toy).sum(axis=-1, keepdims=True)
        refined = floored(toy)
        for _ in range(6):
            image = part.mean(toy_actions[chosen] - self._slope(angles[chosen], refined[part.of]))
            image = floored(np.clip(image, toy - reach, toy + reach))
            refined = floored(0.2 * refined + 0.8 * image)
        return refined

    def _image(self, angles: Array, actions: Array, groups: Streams) -> tuple[Array, Array, Array, Flags]:
        common, open_ = self._solved(angles, actions, groups)
        refined = common[groups.of]
        return refined, angles + self._angle_shift(angles, refined), refined, open_

    def _frequencies(self, angles: Array, rates: tuple[Array, Array], refined: Array) -> Array:
        of_angles, of_actions = rates
        return self._second(angles, refined).pulled(of_actions[..., None], of_angles[..., None])[1][..., 0]

    def _pulled(self, angles: Array, actions: Array, refined: Array, by: tuple[Array, Array]) -> tuple[Array, Array]:
        return self._second(angles, refined).pulled(*by)
