"""Numbers with their first and second derivatives by some variables: forward differentiation in NumPy.

Derivatives come first among the dimensions: values (…), first (variables, …), second (variables, variables, …). The functions here take
arrays too, which are constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..units import Array


def _outer(a: Array, b: Array) -> Array:
    return np.asarray(a[:, None] * b[None, :])


class Jet:
    """A value, its derivatives, and where they are wanted its second derivatives."""

    __slots__ = ("first", "second", "value")
    # NumPy leaves products with an array to this class.
    __array_ufunc__ = None

    def __init__(self, value: Array, first: Array, second: Array | None = None) -> None:
        self.value, self.first, self.second = value, first, second

    def map(self, value: Array, slope: Array, curvature: Array | None) -> Jet:
        """f(self), from f, f′ and f″ there."""
        second = None
        if self.second is not None and curvature is not None:
            second = slope * self.second + curvature * _outer(self.first, self.first)
        return Jet(value, slope * self.first, second)

    def __add__(self, other: Number) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.first, self.second)
        second = None if self.second is None or other.second is None else self.second + other.second
        return Jet(self.value + other.value, self.first + other.first, second)

    __radd__ = __add__

    def __neg__(self) -> Jet:
        return self * -1.0

    def __sub__(self, other: Number) -> Jet:
        return self.__add__(other * -1.0)

    def __rsub__(self, other: Array | float) -> Jet:
        return -self + other

    def __mul__(self, other: Number) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.first * other, None if self.second is None else self.second * other)
        first = self.first * other.value + other.first * self.value
        second = None
        if self.second is not None and other.second is not None:
            cross = _outer(self.first, other.first)
            second = self.second * other.value + other.second * self.value + cross + np.swapaxes(cross, 0, 1)
        return Jet(self.value * other.value, first, second)

    __rmul__ = __mul__

    def reciprocal(self) -> Jet:
        """1 / self."""
        inverse = 1.0 / self.value
        return self.map(inverse, -(inverse**2), 2.0 * inverse**3)

    def __truediv__(self, other: Number) -> Jet:
        return self * other.reciprocal() if isinstance(other, Jet) else self * (1.0 / other)

    def __rtruediv__(self, other: Array | float) -> Jet:
        return self.reciprocal() * other


Number = Any
"""A `Jet`, an array or a number."""


def value(a: Number) -> Array:
    """What it is, without derivatives."""
    return a.value if isinstance(a, Jet) else np.asarray(a)


def variables(columns: Array, second: bool) -> list[Jet]:
    """The columns of an array (rows, n) as variables by which is differentiated."""
    rows, count = columns.shape
    flat = np.zeros((count, count, rows)) if second else None
    units = np.eye(count)
    return [Jet(columns[:, n], np.broadcast_to(units[n][:, None], (count, rows)), flat) for n in range(count)]


def along(columns: Array, change: Array) -> list[Jet]:
    """The columns of an array (rows, n) as numbers with derivatives by one variable, ``change`` (rows, n)."""
    return [Jet(column, rate[None]) for column, rate in zip(columns.T, change.T, strict=True)]


def square(a: Number) -> Number:
    """a²."""
    return a * a


def sqrt(a: Number) -> Number:
    """√a."""
    if not isinstance(a, Jet):
        return np.sqrt(a)
    root = np.sqrt(a.value)
    return a.map(root, 0.5 / root, -0.25 / (root * a.value))


def log(a: Number) -> Number:
    """ln a."""
    if not isinstance(a, Jet):
        return np.log(a)
    inverse = 1.0 / a.value
    return a.map(np.log(a.value), inverse, -(inverse**2))


def exp(a: Number) -> Number:
    """e^a."""
    found = np.exp(value(a))
    return a.map(found, found, found) if isinstance(a, Jet) else found


def power(a: Number, exponent: float) -> Number:
    """a^exponent, a > 0 where derivatives are asked for."""
    if not isinstance(a, Jet):
        return a**exponent
    slope = exponent * a.value ** (exponent - 1.0)
    return a.map(a.value**exponent, slope, exponent * (exponent - 1.0) * a.value ** (exponent - 2.0))


def sin(a: Number) -> Number:
    """sin a."""
    if not isinstance(a, Jet):
        return np.sin(a)
    found = np.sin(a.value)
    return a.map(found, np.cos(a.value), -found)


def cos(a: Number) -> Number:
    """cos a."""
    if not isinstance(a, Jet):
        return np.cos(a)
    found = np.cos(a.value)
    return a.map(found, -np.sin(a.value), -found)


def silu(a: Number) -> Number:
    """a / (1 + e^−a)."""
    inner = value(a)
    gate = 0.5 * (1.0 + np.tanh(0.5 * inner))
    found = inner * gate
    if not isinstance(a, Jet):
        return found
    rate = gate * (1.0 - gate)
    return a.map(found, gate + inner * rate, rate * (2.0 + inner * (1.0 - 2.0 * gate)))


def atan2(y: Number, x: Number) -> Number:
    """The angle of (x, y)."""
    found = np.arctan2(value(y), value(x))
    if not isinstance(y, Jet) and not isinstance(x, Jet):
        return found
    like = y if isinstance(y, Jet) else x
    y, x = (a if isinstance(a, Jet) else _constant(a, like) for a in (y, x))
    square_ = x.value**2 + y.value**2
    first = (x.value * y.first - y.value * x.first) / square_
    second = None
    if x.second is not None and y.second is not None:
        along = (x.value * x.first + y.value * y.first) / square_
        cross = _outer(y.first, x.first)
        turn = x.value * y.second - y.value * x.second + cross - np.swapaxes(cross, 0, 1)
        second = turn / square_ - 2.0 * _outer(first, along)
        second = 0.5 * (second + np.swapaxes(second, 0, 1))
    return Jet(found, first, second)


def _constant(a: Any, like: Jet) -> Jet:
    numbers = np.broadcast_to(a, like.value.shape)
    return Jet(numbers, np.zeros_like(like.first), None if like.second is None else np.zeros_like(like.second))


def where(condition: Any, a: Number, b: Number) -> Number:
    """``a`` where the condition holds, else ``b``."""
    if not isinstance(a, Jet) and not isinstance(b, Jet):
        return np.where(condition, a, b)
    like = a if isinstance(a, Jet) else b
    a, b = (c if isinstance(c, Jet) else _constant(c, like) for c in (a, b))
    second = None if a.second is None or b.second is None else np.where(condition, a.second, b.second)
    return Jet(np.where(condition, a.value, b.value), np.where(condition, a.first, b.first), second)


def sign(a: Number) -> Array:
    """−1 where negative, else 1."""
    return np.where(value(a) < 0.0, -1.0, 1.0)


def stack(numbers: list[Number]) -> Number:
    """Numbers of the same shape beside each other in a new last dimension."""
    like = next((a for a in numbers if isinstance(a, Jet)), None)
    if like is None:
        return np.stack(numbers, axis=-1)
    jets = [a if isinstance(a, Jet) else _constant(a, like) for a in numbers]
    second = None if like.second is None else np.stack([a.second for a in jets if a.second is not None], axis=-1)
    return Jet(np.stack([a.value for a in jets], axis=-1), np.stack([a.first for a in jets], axis=-1), second)


def linear(a: Number, matrix: Array, shift: Array) -> Number:
    """a · matrix + shift, over the last dimension."""
    if not isinstance(a, Jet):
        return a @ matrix + shift
    second = None if a.second is None else a.second @ matrix
    return Jet(a.value @ matrix + shift, a.first @ matrix, second)


def total(a: Number) -> Number:
    """The sum over the last dimension."""
    if not isinstance(a, Jet):
        return a.sum(axis=-1)
    return Jet(a.value.sum(axis=-1), a.first.sum(axis=-1), None if a.second is None else a.second.sum(axis=-1))


def part(a: Number, index: int) -> Number:
    """One component of the last dimension."""
    if not isinstance(a, Jet):
        return a[..., index]
    return Jet(a.value[..., index], a.first[..., index], None if a.second is None else a.second[..., index])
