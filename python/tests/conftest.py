"""What tests share."""

from __future__ import annotations

import pytest

import actionfinder as af


@pytest.fixture(scope="session")
def isochrone() -> af.Potential:
    return af.Potential(isochrone=dict(mass=3.334e11, scale=5.0))


@pytest.fixture(scope="session")
def galaxy() -> af.Potential:
    return af.Potential("piffl_14")
