"""Decorator of the dataclasses that hold values of a document: pydantic checks their fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

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
