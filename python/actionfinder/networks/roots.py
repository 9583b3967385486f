"""Roots of many small systems of equations at once, as the program finds them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..units import Array

Rows = np.ndarray[tuple[int], np.dtype[np.intp]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


def _size(residual: Array) -> Array:
    return np.asarray(np.sqrt((residual**2).sum(axis=-1)))


def secants(
    guess: Array, residual: Callable[[Rows, Array], Array], kept: Callable[[Array], Array]
) -> tuple[Array, Flags]:
    """Roots (rows, 3) by Broyden's (1965) method, and which rows have none; for residuals of a fixed point that nearly contracts.

    ``residual`` is given row numbers and their guesses; ``kept`` puts a guess back where it may be.
    """
    best = kept(guess)
    rows = np.arange(len(best))
    here, misfit = best, residual(rows, best)
    inverse = np.broadcast_to(0.8 * np.eye(3), (len(best), 3, 3)).copy()
    for _ in range(14):
        best[rows] = here
        going = ~(_size(misfit) <= 1e-12)
        if not going.any():
            break
        rows, here, misfit, inverse = rows[going], here[going], misfit[going], inverse[going]
        trial = kept(here - np.einsum("nij,nj->ni", inverse, misfit))
        step = trial - here
        after = residual(rows, trial)
        # H + (s − H y) sᵀH / sᵀH y
        change = np.einsum("nij,nj->ni", inverse, after - misfit)
        left = np.einsum("ni,nij->nj", step, inverse)
        along = np.einsum("ni,ni->n", step, change)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = (step - change) / along[:, None]
        inverse = inverse + np.nan_to_num(factor, nan=0.0, posinf=0.0, neginf=0.0)[:, :, None] * left[:, None, :]
        here, misfit = trial, after
    best[rows] = here
    lost = np.zeros(len(best), dtype=bool)
    lost[rows] = ~(_size(misfit) <= 1e-12)
    return best, lost


def newton(
    guess: Array, residual: Callable[[Rows, Array], tuple[Array, Array]], kept: Callable[[Array], Array]
) -> tuple[Array, Flags]:
    """Roots (rows, 3) by Newton's method with the damping of Levenberg & Marquardt, and which rows have none.

    ``residual`` gives residuals (rows, 3) and Jacobians (rows, 3, 3).
    """
    best = kept(guess)
    rows = np.arange(len(best))
    here = best.copy()
    misfit, jacobian = residual(rows, here)
    damping = np.zeros(len(best))
    sizes = np.full(len(best), np.inf)
    for _ in range(40):
        best[rows], sizes[rows] = here, _size(misfit)
        going = (sizes[rows] > 1e-11) & (damping < 1e12)
        if not going.any():
            break
        rows, here, misfit = rows[going], here[going], misfit[going]
        jacobian, damping = jacobian[going], damping[going]
        transposed = np.swapaxes(jacobian, -1, -2)
        normal = transposed @ jacobian + np.eye(3) * (1e-3 * damping)[:, None, None]
        direction = np.einsum("nij,nj->ni", transposed, misfit)
        step = np.where(damping[:, None] == 0.0, _solved(jacobian, misfit), _solved(normal, direction))
        trial = kept(here - np.nan_to_num(step, nan=0.0, posinf=0.0, neginf=0.0))
        after, slopes = residual(rows, trial)
        better = _size(after) < _size(misfit)
        here, misfit = (np.where(better[:, None], new, old) for new, old in ((trial, here), (after, misfit)))
        jacobian = np.where(better[:, None, None], slopes, jacobian)
        relaxed = np.where(damping > 1e-3, 0.1 * damping, 0.0)
        damping = np.where(better, relaxed, np.maximum(8.0 * damping, 1.0))
    best[rows], sizes[rows] = here, _size(misfit)
    return best, ~(sizes < 1e-8)


def _solved(matrix: Array, right: Array) -> Array:
    """3 × 3 systems by Cramer's rule; not finite where there is no solution."""
    a, b, c = matrix[:, 0], matrix[:, 1], matrix[:, 2]
    bc, ca, ab = np.cross(b, c), np.cross(c, a), np.cross(a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (bc * right[:, :1] + ca * right[:, 1:2] + ab * right[:, 2:]) / (a * bc).sum(axis=-1, keepdims=True)
    return np.asarray(found)
