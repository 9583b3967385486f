"""Trained canonical maps (x, v) → (θ', J') by way of a toy isochrone: what all of them have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..action_angles import ActionAngles
from ..errors import Errors, told
from ..sky import Sun
from ..units import Array, stars, vectors
from .file import NetworkFile
from .jets import Number, along, stack, value, variables
from .point_transformation import PointTransformation
from .region import Region
from .roots import Flags, Rows
from .toy import Toy, wrapped

if TYPE_CHECKING:
    from ..potentials import Potential

UNBOUND = "it is unbound in the network's toy potential"

_CHUNK = 1024
"""Stars looked at together: bounds memory."""


@dataclass(frozen=True)
class Predictions(ActionAngles):
    """What `predict` gives; frequencies are NaN where no accelerations were given."""

    converged: Any = None
    """Whether J' solves its equation, (…)."""
    inside: Any = None
    """Whether stars are in the region that the network was trained in, (…); None where that is not known."""


@dataclass(frozen=True)
class Derivatives:
    """The map's derivatives at stars: rows φ, z, r, columns x, y, z, v_x, v_y, v_z."""

    of_actions: Array
    """∂J'/∂(x, v) (…, 3, 6): km/s in the first three columns, kpc in the last."""
    of_angles: Array
    """∂θ'/∂(x, v) (…, 3, 6): 1/kpc in the first three columns, s/km in the last."""


@dataclass(frozen=True)
class Streams:
    """Stars by the number of their stream."""

    of: Rows
    count: int

    def mean(self, values: Array) -> Array:
        """Means over the stars of each stream: (stars, n) → (streams, n)."""
        if self.count == len(self.of):
            return values
        sums = np.zeros((self.count, values.shape[1]))
        np.add.at(sums, self.of, values)
        return np.asarray(sums / np.bincount(self.of, minlength=self.count)[:, None])


def picked(groups: Streams, rows: Rows) -> tuple[Any, Streams]:
    """The stars of the streams ``rows``, and these numbered from 0."""
    if groups.count == len(groups.of):
        return rows, Streams(np.arange(len(rows)), len(rows))
    number = np.full(groups.count, -1)
    number[rows] = np.arange(len(rows))
    chosen = np.flatnonzero(number[groups.of] >= 0)
    return chosen, Streams(number[groups.of[chosen]], len(rows))



def pieces(kept: Any, streams: Any) -> list[tuple[Any, Streams]]:
    """Stars in pieces that memory holds, no stream in two of them."""
    if streams is None:
        pieces = np.array_split(kept, max(1, -(-len(kept) // _CHUNK)))
        return [(piece, Streams(np.arange(len(piece)), len(piece))) for piece in pieces if len(piece)]
    order = kept[np.argsort(streams[kept], kind="stable")]
    names, first = np.unique(streams[order], return_index=True)
    found, begin = [], 0
    for number in range(len(names)):
        end = first[number + 1] if number + 1 < len(names) else len(order)
        if end - first[begin] >= _CHUNK or end == len(order):
            piece = order[first[begin] : end]
            _, of = np.unique(streams[piece], return_inverse=True)
            found.append((piece, Streams(of, number + 1 - begin)))
            begin = number + 1
    return found


class CanonicalMap(ABC):
    """A map of a network's file."""

    def __init__(self, file: NetworkFile) -> None:
        self.metadata = file.metadata
        """What the file says of itself in words and JSON: formula, units, training."""
        self.toy = Toy.read(file)
        """The toy isochrone."""
        self.stretch = PointTransformation.read(file)
        """The stretch of radii in front of the toy, if it has one: toy angles and actions are those of stretched points."""
        self.region = Region.read(file)
        """The region of toy actions that it was trained in, if the file has it."""
        self.inputs: str = file.json("inputs") if "inputs" in file.metadata else "cartesian"
        """What `predict` in a pipeline reads: ``cartesian``, or ``observables`` as `sun` sees them."""
        self.sun = Sun(**file.json("sun")) if "sun" in file.metadata else Sun()
        """The Sun of the training stars: ``network.sun.locate(...)`` gives stars from what is observed."""

    @abstractmethod
    def _image(self, angles: Array, actions: Array, groups: Streams) -> tuple[Array, Array, Array, Flags]:
        """J', θ' before whole turns, and the J' at which derivatives are taken, of stars of toy angles and actions; which streams
        have no J'."""

    @abstractmethod
    def _frequencies(self, angles: Array, rates: tuple[Array, Array], refined: Array) -> Array:
        """Ω' where the toy's angles and actions change with these rates."""

    @abstractmethod
    def _pulled(self, angles: Array, actions: Array, refined: Array, by: tuple[Array, Array]) -> tuple[Array, Array]:
        """Derivatives of J' and θ' from those of the toy's actions and angles, (n, 3, any) each."""

    def _shares(self) -> bool:
        """Whether stars of a stream can share a J'."""
        return True

    def predict(
        self, xv: Any, *, acceleration: Potential | Any = None, stream: Any = None, errors: Errors = "nan"
    ) -> Predictions:
        """θ', J' and, with accelerations, Ω' of stars ``xv``, given as for `actions`.

        ``stream`` numbers the streams of stars that share their J', as ``by: stream`` has it; without it each star has its own.
        ``acceleration`` is a potential, or (…, 3) in (km/s)²/kpc.
        Stars that the toy does not bind, and with ``stream`` their streams, are NaN and in ``reasons``.
        """
        if stream is not None and not self._shares():
            raise ValueError("stars share no actions in this network: leave stream out")
        rows, lead = stars(xv)
        streams = None if stream is None else np.asarray(stream).reshape(-1)
        if streams is not None and len(streams) != len(rows):
            raise ValueError(f"{len(rows)} stars have {len(streams)} numbers of streams")
        bound = self._is_bound(rows)
        lost = {int(row): UNBOUND for row in np.flatnonzero(~bound)}
        if streams is not None and lost:
            without = np.isin(streams, streams[~bound])
            beside = "a star of its stream is unbound in the network's toy potential"
            lost = {int(row): beside for row in np.flatnonzero(without)}
            bound = ~without
        kept = np.flatnonzero(bound)
        reasons = told("actions", len(rows), list(lost.items()), errors)
        found = {name: np.full((len(rows), 3), np.nan) for name in ("actions", "angles", "frequencies")}
        converged = np.zeros(len(rows), dtype=bool)
        inside = None if self.region is None else np.zeros(len(rows), dtype=bool)
        a = self._accelerations(rows, acceleration)
        for piece, groups in pieces(kept, streams):
            toy_actions, toy_angles = self._toy(rows[piece])
            actions, angles, refined, open_ = self._image(toy_angles, toy_actions, groups)
            found["actions"][piece], found["angles"][piece] = actions, wrapped(angles)
            converged[piece] = ~open_[groups.of]
            if a is not None:
                rates = self._rates(rows[piece], a[piece])
                found["frequencies"][piece] = self._frequencies(toy_angles, rates, refined)
            if inside is not None and self.region is not None:
                inside[piece] = self.region.holds(toy_actions)
        shaped = {name: values.reshape(*lead, 3) for name, values in found.items()}
        flags = (converged.reshape(lead), None if inside is None else inside.reshape(lead))
        return Predictions(**shaped, reasons=reasons, converged=flags[0], inside=flags[1])

    def derivatives(self, xv: Any, *, errors: Errors = "nan") -> Derivatives:
        """∂(J', θ')/∂(x, v) at stars, each by itself, by implicit differentiation of the equation that J' solves.

        NaN where the toy does not bind a star. Circular orbits, and those in the plane, have no derivatives.
        """
        rows, lead = stars(xv)
        bound = self._is_bound(rows)
        told("derivatives", len(rows), [(int(row), UNBOUND) for row in np.flatnonzero(~bound)], errors)
        of_actions, of_angles = np.full((2, len(rows), 3, 6), np.nan)
        for piece, groups in pieces(np.flatnonzero(bound), None):
            actions, angles, _ = self.toy.actions(self._stretched(list(variables(rows[piece], second=False))))
            slopes = [np.stack([part.first for part in three], axis=0).transpose(2, 0, 1) for three in (actions, angles)]
            toy_actions, toy_angles = (np.stack([part.value for part in three], axis=-1) for three in (actions, angles))
            toy_angles = wrapped(toy_angles)
            refined = self._image(toy_angles, toy_actions, groups)[2]
            by = (slopes[0], slopes[1])
            of_actions[piece], of_angles[piece] = self._pulled(toy_angles, toy_actions, refined, by)
        return Derivatives(of_actions.reshape(*lead, 3, 6), of_angles.reshape(*lead, 3, 6))

    def _stretched(self, columns: list[Number]) -> list[Number]:
        """Where stars are for the toy, as six columns."""
        return columns if self.stretch is None else self.stretch.stretched(columns)

    def _is_bound(self, rows: Array) -> Flags:
        return np.asarray(self.toy.energy(np.stack(self._stretched(list(rows.T)), axis=-1)) < 0.0)

    def _toy(self, rows: Array) -> tuple[Array, Array]:
        actions, angles, _ = self.toy.actions(self._stretched(list(rows.T)))
        return np.stack(actions, axis=-1), wrapped(np.stack(angles, axis=-1))

    def _accelerations(self, rows: Array, acceleration: Any) -> Array | None:
        if acceleration is None:
            return None
        of_potential: Callable[[Array], Array] | None = getattr(acceleration, "acceleration", None)
        if of_potential is not None:
            return of_potential(rows[:, :3])
        found, _ = vectors(acceleration, "km2 / (s2 kpc)", "accelerations")
        if len(found) != len(rows):
            raise ValueError(f"{len(rows)} stars have {len(found)} accelerations")
        return found

    def _rates(self, rows: Array, a: Array) -> tuple[Array, Array]:
        """Rates of the toy's angles and actions in another field: Ω and 0, and their derivatives along the difference of both motions.

        That is a − a_toy in the velocities. A stretched point moves with another velocity than its ṽ, too.
        """
        if self.stretch is None:
            moving = [*rows[:, :3].T, *along(rows[:, 3:], a - self.toy.acceleration(rows[:, :3]))]
        else:
            at = stack(self.stretch.stretched([*along(rows, np.hstack([rows[:, 3:], a]))]))
            own = np.hstack([at.value[:, 3:], self.toy.acceleration(at.value[:, :3])])
            moving = [*along(at.value, at.first[0] - own)]
        actions, angles, frequencies = self.toy.actions(moving)
        change = [np.stack([part.first[0] for part in three], axis=-1) for three in (actions, angles)]
        return np.stack([value(part) for part in frequencies], axis=-1) + change[1], change[0]
