"""The toy isochrone Φ = −GM / (b + √(b² + r²)) of a network, both ways (Hénon 1959; Binney & Tremaine 2008, section 3.5.2).

Columns are in the order φ, z, r.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..units import Array
from .jets import Jet, Number, atan2, cos, sign, sin, sqrt, square, value, where
from .file import NetworkFile

TURN = 2.0 * np.pi


def wrapped(angles: Array) -> Array:
    """Angles in [0, 2π)."""
    found = np.mod(angles, TURN)
    return np.asarray(np.where(found >= TURN, found - TURN, found))


def magnitude(a: Number) -> Number:
    """|a|, with the derivative at 0 that it has above."""
    return a * sign(a)


def floored(actions: Array) -> Array:
    """J_z and J_r of at least 1e-6 of |J_φ| + J_z + J_r: below, toy angles have no meaning."""
    sum_ = np.abs(actions[..., :1]) + np.maximum(actions[..., 1:], 0.0).sum(axis=-1, keepdims=True)
    least = np.maximum(1e-6 * sum_, 1e-30)
    return np.concatenate([actions[..., :1], np.maximum(actions[..., 1:], least)], axis=-1)


def _angle_of(y: Number, x: Number) -> Number:
    """atan2(y, x), 0 at (0, 0) with finite derivatives."""
    nowhere = (value(y) == 0.0) & (value(x) == 0.0)
    return atan2(y, x + nowhere.astype(float))


@dataclass(frozen=True)
class Toy:
    """An isochrone."""

    gm: float
    """GM, kpc (km/s)²."""
    scale: float
    """b, kpc."""

    @classmethod
    def read(cls, file: NetworkFile) -> Toy:
        """The toy of a network's file."""
        return cls(float(file.array("toy.gm")), float(file.array("toy.scale")))

    def energy(self, xv: Array) -> Array:
        """½v² + Φ, (km/s)²."""
        x, v = xv[..., :3], xv[..., 3:]
        s = np.sqrt((x**2).sum(axis=-1) + self.scale**2)
        return np.asarray(0.5 * (v**2).sum(axis=-1) - self.gm / (self.scale + s))

    def acceleration(self, x: Array) -> Array:
        """−∇Φ, (km/s)²/kpc."""
        s = np.sqrt((x**2).sum(axis=-1, keepdims=True) + self.scale**2)
        return np.asarray(-x * self.gm / (s * (self.scale + s) ** 2))

    def actions(self, xv: list[Number]) -> tuple[list[Number], list[Number], list[Number]]:
        """Actions, angles less whole turns, and frequencies of bound stars, given as six columns."""
        gm, b = self.gm, self.scale
        x1, x2, x3, v1, v2, v3 = xv
        l1, l2, l3 = x2 * v3 - x3 * v2, x3 * v1 - x1 * v3, x1 * v2 - x2 * v1
        planar = square(l1) + square(l2)
        # A vanishing sum has no derivative; that of the root is 0 there.
        l = sqrt(planar + square(l3) + 1e-290)  # noqa: E741
        tilt = l + magnitude(l3)

        r2 = square(x1) + square(x2) + square(x3)
        s = sqrt(r2 + b * b)
        energy = (square(v1) + square(v2) + square(v3)) * 0.5 - gm / (s + b)
        w = 1.0 / sqrt(energy * -2.0)
        a = square(w) * gm
        m = sqrt(square(l) + 4.0 * b * gm)
        actions = [l3, planar / tilt, w * gm - (l + m) * 0.5]

        e_sin = (x1 * v1 + x2 * v2 + x3 * v3) * w
        theta_r = _angle_of(e_sin, a - s) - e_sin / a
        ratio = l / m
        # θ_z less the position's angle from the ascending node; s − b is written without cancellation.
        ahead = (ratio + 1.0) * e_sin / a * -0.5 - atan2(e_sin, r2 / (s + b) + l * w) - ratio * atan2(e_sin, s + b + w * m)
        node_cos = x2 * l1 - x1 * l2
        theta_z = _angle_of(x3 * l, node_cos) + ahead
        projection = atan2(x3 * node_cos / tilt, r2 - square(x3) * l / tilt)
        sense = sign(l3)
        theta_phi = _angle_of(x2, x1) + (projection + ahead) * sense

        omega_r = 1.0 / (square(w) * w * gm)
        omega_z = (ratio + 1.0) * omega_r * 0.5
        return actions, [theta_phi, theta_z, theta_r], [omega_z * sense, omega_z, omega_r]

    def points(self, angles: list[Number], actions: list[Number]) -> tuple[list[Number], list[Number]]:
        """Positions and velocities, three columns each, of angles and actions."""
        gm, b = self.gm, self.scale
        (theta_phi, theta_z, theta_r), (j_phi, j_z, j_r) = angles, actions
        l = j_z + magnitude(j_phi)  # noqa: E741
        m = sqrt(square(l) + 4.0 * b * gm)
        n = j_r + (l + m) * 0.5
        a, w = square(n) / gm, n / gm
        # c = a − b; ε² = c² − L²w², factorised so that near-circular orbits keep their digits.
        below = j_r * (j_r + m) / gm
        epsilon = sqrt(below * (below + l * w * 2.0))
        eta = _kepler(theta_r, epsilon / a)

        e_sin = epsilon * sin(eta)
        s = a - epsilon * cos(eta)
        least = square(l * w) / (below + l * w + epsilon)
        rise = s - b
        rise = where(value(rise) > value(least), rise, least)
        r = sqrt(rise * (s + b))
        radial, tangential = e_sin / (w * r), l / r
        ratio = l / m
        ahead = (ratio + 1.0) * e_sin / a * -0.5 - atan2(e_sin, rise + l * w) - ratio * atan2(e_sin, s + b + w * m)
        psi, node = theta_z - ahead, theta_phi - theta_z * sign(j_phi)
        cos_i = j_phi / l
        sin_i = sqrt(j_z * (j_z + magnitude(j_phi) * 2.0)) / l
        sin_node, cos_node, sin_psi, cos_psi = sin(node), cos(node), sin(psi), cos(psi)

        def place(along: Number, across: Number) -> list[Number]:
            flat = across * cos_i
            return [cos_node * along - sin_node * flat, sin_node * along + cos_node * flat, across * sin_i]

        outward, onward = place(cos_psi, sin_psi), place(-sin_psi, cos_psi)
        x = [out * r for out in outward]
        v = [out * radial + on * tangential for out, on in zip(outward, onward, strict=True)]
        return x, v


def _kepler(mean: Number, kappa: Number) -> Number:
    """η of η − κ sin η = M for 0 ≤ κ < 1, in the branch of M in (−π, π]: Newton's method, and two steps more for the derivatives."""
    turns = np.mod(value(mean) + np.pi, TURN) - np.pi - value(mean)
    mean = mean + turns
    flat, strength = value(mean), value(kappa)
    eta: Number = np.sign(flat) * np.pi
    for _ in range(60):
        change = (eta - strength * np.sin(eta) - flat) / (1.0 - strength * np.cos(eta))
        eta = eta - change
        if not np.abs(change).max(initial=0.0) >= 1e-13:
            break
    if isinstance(mean, Jet) or isinstance(kappa, Jet):
        for _ in range(2):
            eta = eta - (eta - kappa * sin(eta) - mean) / (1.0 - kappa * cos(eta))
    return eta
