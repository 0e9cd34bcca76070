"""A user's module that does what such modules must not do."""

from __future__ import annotations

import sys
from typing import NoReturn


class Exits:
    """Leaves Python when it is made."""

    def __init__(self) -> None:
        sys.exit(0)


class OwnError(BaseException):
    """No Exception at all."""


class Raises:
    """Raises an exception of its own when it is made."""

    def __init__(self) -> NoReturn:
        raise OwnError("made by the fuzzer")
