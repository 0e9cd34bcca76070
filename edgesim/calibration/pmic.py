"""Power of a Raspberry Pi 5 as its supply chip (PMIC) gives it: `vcgencmd pmic_read_adc`.

The chip measures amperes and volts of the rails that it feeds. Their products add up to the processor, the memory and
the 3.3 V and 1.8 V of the board. Missing are the chip's own losses and all that the 5 V input feeds directly: USB
devices, the fan, a HAT. The input (EXT5V_V) and the clock's battery (BATT_V) have volts but no amperes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable

from edgesim.calibration.energy import Sensor

_COMMAND = "vcgencmd"
_LINE = re.compile(r"^\s*(\S+)_([AV])\s+(?:current|volt)\(\d+\)=([0-9]+(?:\.[0-9]+)?)[AV]\s*$")
_PERIOD_S = 1.0
"""each reading starts a process; ten a second would slow the training down that is measured"""
_TIMEOUT_S = 2.0


def find(notes: list[str]) -> list[Sensor]:
    """The chip as a sensor; none on other machines. A chip that gives no power leaves a note."""
    command = shutil.which(_COMMAND)
    if command is None:
        return []
    read = _reading(command)
    try:
        read()
    except (OSError, ValueError) as error:
        notes.append(f"`{_COMMAND} pmic_read_adc` gives no power: {error}")
        return []
    return [Sensor("PMIC rails", "w", read, period_s=_PERIOD_S)]


def power_w(text: str) -> float:
    """Sum of volts x amperes over the rails that have both.

    Args:
        text: lines such as `VDD_CORE_A current(7)=1.11A` and `VDD_CORE_V volt(15)=0.75V`; others are passed over.

    Raises:
        ValueError: no rail has both.
    """
    values: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for line in text.splitlines():
        if match := _LINE.match(line):
            values[match[2]][match[1]] = float(match[3])
    both = values["A"].keys() & values["V"].keys()
    if not both:
        raise ValueError("no rail with both volts and amperes; only a Raspberry Pi 5 has such a chip")
    return sum(values["A"][rail] * values["V"][rail] for rail in sorted(both))


def _reading(command: str) -> Callable[[], float]:
    def read() -> float:
        try:
            done = subprocess.run(
                [command, "pmic_read_adc"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise OSError(f"no answer within {_TIMEOUT_S:g} s") from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise OSError(
                f"it left with {done.returncode}{': ' + said[0] if said else ''}; is the user in group video?"
            )
        return power_w(done.stdout)

    return read
