"""One test case for one property over many values, where a case for each would only repeat it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any


def over(names: str | tuple[str, ...], values: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test with each of the values in one case; a failure names the values it came from.

    As `pytest.mark.parametrize`, which gives every value a case of its own. Fixtures are shared by all values, so that
    a test which changes one of its fixtures stays parametrised.

    Args:
        names: of the test's arguments.
        values: one for each run of the test, or a tuple of them where there is more than one name.
    """
    several = not isinstance(names, str)
    taken = names if isinstance(names, tuple) else (names,)
    listed = list(values)
    assert listed, "a test over no values would prove nothing"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def every(*args: Any, **fixtures: Any) -> None:
            for value in listed:
                given = dict(zip(taken, value if several else (value,), strict=True))
                try:
                    test(*args, **fixtures, **given)
                except Exception as error:
                    error.add_note(f"with {given}")
                    raise

        signature = inspect.signature(test)
        rest = [parameter for name, parameter in signature.parameters.items() if name not in taken]
        every.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        return every

    return decorate
