"""Decorator of the dataclasses that hold values of a document: pydantic checks their fields."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast, dataclass_transform, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass, is_pydantic_dataclass, rebuild_dataclass

C = TypeVar("C")

DEFERRED = ConfigDict(defer_build=True)
"""a class's checks are built when its first instance is made: a scenario uses few of all methods, data sets and models,
and to build the checks of every one took a tenth of the time of `edgesim validate`"""


@dataclass_transform(frozen_default=True, field_specifiers=(Field,))
def checked_dataclass(*, kw_only: bool = False) -> Callable[[type[C]], type[C]]:
    """Make a class a frozen dataclass whose fields are checked wherever an instance is made.

    Args:
        kw_only: fields are given by name only, so that a subclass may add fields without a default.
    """
    return cast(Callable[[type[C]], type[C]], dataclass(frozen=True, kw_only=kw_only, config=DEFERRED))


@functools.cache
def field_types(cls: type[Any]) -> dict[str, Any]:
    """Field -> type of a dataclass, with the metadata of `Annotated`. Do not change the map: all callers share it."""
    return get_type_hints(cls, include_extras=True)


def adapter(cls: type[Any]) -> TypeAdapter[Any]:
    """Reader and writer of a dataclass's instances.

    The class's own checks are built first, once: an adapter of a class without them builds them for itself alone, and
    the next adapter builds them again. Those of a profile take 20 ms.

    Args:
        cls: a dataclass, standard or pydantic. One whose types cannot be resolved fails at the adapter's first use.
    """
    if is_pydantic_dataclass(cls):
        rebuild_dataclass(cast(Any, cls), raise_errors=False)  # nothing where they are built
    return TypeAdapter(cls)
