"""Potentials as they are written down, in YAML or in Python, checked against the one schema that both have."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from . import _native
from .errors import DefinitionError
from .units import numbers

Schema = Mapping[str, Any]

_POTENTIAL = "PotentialParameters"


@cache
def schema() -> Schema:
    """The JSON Schema of a potential; ``x-unit`` is the unit of a number."""
    found: Schema = json.loads(_native.schema())
    return found


def names() -> list[str]:
    """What potentials there are, by name."""
    return [name for name, _ in _variants(schema())]


def plain(definition: Any) -> Any:
    """The definition of a potential as JSON has it: numbers in the units of the schema."""
    return _plain(definition, schema(), "")


def _resolved(part: Schema) -> Schema:
    reference = part.get("$ref")
    if reference is None:
        return part
    name = reference.rsplit("/", 1)[-1]
    if reference == "#" or name == _POTENTIAL:
        return schema()
    found: Schema = schema()["$defs"][name]
    return found


def _variants(part: Schema) -> list[tuple[str, Schema | None]]:
    """Names of the choices of a schema, each with the schema of its parameters where it has any."""
    found: list[tuple[str, Schema | None]] = []
    for choice in part["oneOf"]:
        if "const" in choice:
            found.append((choice["const"], None))
        elif "enum" in choice:
            found.extend((name, None) for name in choice["enum"])
        else:
            name = choice["required"][0]
            found.append((name, choice["properties"][name]))
    return found


def _plain(value: Any, part: Schema, at: str) -> Any:
    part = _resolved(part)
    if "x-unit" in part:
        return _quantity(value, part, at)
    if "oneOf" in part:
        return _choice(value, part, at)
    if "anyOf" in part:
        if value is None:
            return None
        return _plain(value, next(one for one in part["anyOf"] if one.get("type") != "null"), at)
    if "properties" in part:
        return _fields(value, part, at)
    if "items" in part:
        if isinstance(value, (str, Mapping)) or not hasattr(value, "__iter__"):
            raise DefinitionError(f"{_place(at)} must be a list, not {value!r}")
        return [_plain(item, part["items"], f"{at}.{index}") for index, item in enumerate(value)]
    if part.get("type") == "number":
        return _number(value, "", at)
    if part.get("type") == "string":
        if not isinstance(value, (str, os.PathLike)):
            raise DefinitionError(f"{_place(at)} must be a text, not {value!r}")
        name, known = os.fspath(value), part.get("enum")
        if known is not None and name not in known:
            raise DefinitionError(f"{_place(at)} cannot be {name!r}{_meant(name, known)}")
        return name
    return value


def _choice(value: Any, part: Schema, at: str) -> Any:
    variants = dict(_variants(part))
    if isinstance(value, str):
        name, parameters = value, None
    elif isinstance(value, Mapping) and len(value) == 1:
        (name, parameters), = value.items()
    else:
        raise DefinitionError(f"{_place(at)} must be a name, or one name with its parameters")
    if name not in variants:
        what = "no potential is called" if part.get("title") == _POTENTIAL else f"{_place(at)} cannot be"
        raise DefinitionError(f"{what} {name!r}{_meant(name, list(variants))}")
    needed = variants[name]
    if needed is None:
        if parameters not in (None, {}):
            raise DefinitionError(f"the potential {name} has no parameters")
        return name
    if parameters is None:
        raise DefinitionError(f"the potential {name} needs its parameters")
    return {name: _plain(parameters, needed, f"{at}.{name}")}


def _fields(value: Any, part: Schema, at: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise DefinitionError(f"{_place(at)} needs parameters by name, not {value!r}")
    properties = part["properties"]
    for name in value:
        if name not in properties:
            raise DefinitionError(f"{_place(at)} has no parameter {name!r}{_meant(name, list(properties))}")
    for name in part.get("required", ()):
        if name not in value:
            raise DefinitionError(f"{_place(at)} needs the parameter {name}")
    return {name: _plain(given, properties[name], f"{at}.{name}") for name, given in value.items()}


def _quantity(value: Any, part: Schema, at: str) -> float:
    unit = part["x-unit"]
    if isinstance(value, str):
        try:
            from astropy.units import Quantity
        except ImportError:
            raise DefinitionError(f"{_place(at)}: {value!r} needs astropy; a number is in {unit}") from None
        try:
            value = Quantity(value)
        except (TypeError, ValueError):
            raise DefinitionError(f"{_place(at)}: {value!r} is not a number with a unit") from None
    number = _number(value, unit, at)
    range_ = "positive" if "exclusiveMinimum" in part else "at least 0" if "minimum" in part else "finite"
    fits = number > 0.0 if range_ == "positive" else number >= 0.0 if range_ == "at least 0" else True
    if not (fits and number - number == 0.0):
        raise DefinitionError(f"{_place(at)} must be {range_}, not {number:g} {unit}")
    return number


def _number(value: Any, unit: str, at: str) -> float:
    if isinstance(value, (bool, Mapping)) or (isinstance(value, Sequence) and not isinstance(value, str)):
        raise DefinitionError(f"{_place(at)} must be a number, not {value!r}")
    try:
        return float(numbers(value, unit))
    except (TypeError, ValueError) as error:
        if type(error).__name__ == "UnitConversionError":
            raise DefinitionError(f"{_place(at)} is measured in {unit}, not in {value.unit}") from None
        raise DefinitionError(f"{_place(at)} must be a number, not {value!r}") from None


def _place(at: str) -> str:
    return at.lstrip(".") or "a potential"


def _meant(name: Any, known: list[str]) -> str:
    close = get_close_matches(str(name), known, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(known)}" if len(known) < 10 else "; Potential.names() lists them"
