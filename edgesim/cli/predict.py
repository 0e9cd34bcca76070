"""`edgesim predict`: time and energy of one training step, or of a whole training, on one device or on many."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from edgesim.cli import terminal
from edgesim.cli.app import Json, app, check_choice, echo, json_text
from edgesim.formatting import n_of, number, scaled, short_percent, size

if TYPE_CHECKING:
    from edgesim.hardware.conditions import ChosenClocks

_NUMBER = re.compile(r"[0-9]+\.?[0-9]*(e[-+]?[0-9]+)?", re.IGNORECASE)
SHAPES = "Shape of one sample: 3x224x224 (image), 3x80 (channels x time), 132 (features, or tokens)."
MOST_AXES, MOST_DIGITS = 5, 10
"""of a shape, and of each of its numbers"""
WIDTH = 80
"""characters of a line of a prediction"""


MOST = 1_000_000_000
"""samples, epochs and classes at most: beyond any training, and within what a price can be computed for"""


@app.command()
def predict(
    profile: Annotated[
        list[str], typer.Option(help="Device profile: a name, a file or 'all' (repeatable).", metavar="PROFILE")
    ],
    model: Annotated[str, typer.Option(help="Network: a name, timm:NAME or package.module:Name.")],
    shape: Annotated[str, typer.Option("--input", metavar="SHAPE", help=SHAPES)],
    batch_size: Annotated[int, typer.Option(min=1, max=MOST, help="Samples per step.")],
    samples: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Samples of a whole training; needs --epochs.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Epochs of a whole training; needs --samples.")
    ] = None,
    startup: Annotated[
        str | None,
        typer.Option(help="Start of a whole training: cold (default) starts its process, warm does not."),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="sgd (with momentum), adam or adamw.")] = "adam",
    vocabulary: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Number of different tokens; --input is then their length.")
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="Type of the stored numbers of a sample: uint8, int8, int16, int32, float16 or float32; left out: "
            "uint8 of images (three axes), int32 of tokens, else float32."
        ),
    ] = None,
    classes: Annotated[int, typer.Option(min=1, max=MOST, help="Number of classes.")] = 10,
    power_mode: Annotated[
        str,
        typer.Option(
            help="Power mode of the profile: full, one of its own, or clocks: gpu_hz=829e6,memory_hz=1.333e9."
        ),
    ] = "full",
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "fp32",
    as_json: Json = False,
) -> None:
    """Predict time and energy of one training step, or of a whole training with --samples and --epochs."""
    from edgesim.data.sample_form import DTYPES
    from edgesim.training.settings import OPTIMIZER_STATES, Precision, Training

    size = _shape(shape)
    if vocabulary is not None and len(size) != 1:
        raise typer.BadParameter(f"--vocabulary belongs to tokens, whose --input is one length; got '{shape}'")
    check_choice("optimiser", optimizer, OPTIMIZER_STATES)
    check_choice("precision", precision, get_args(Precision))
    check_choice("type of numbers", dtype or DTYPES[0], DTYPES)
    if (samples is None) != (epochs is None):
        raise typer.BadParameter("a whole training needs both --samples and --epochs; without them it is one step")
    if startup is not None and samples is None:
        raise typer.BadParameter("--startup belongs to a whole training; give --samples and --epochs with it")
    from edgesim.models.model_forms import takes_tokens, task_of
    from edgesim.planning import step_prediction
    from edgesim.planning.training_prediction import Startup, predict_job
    from edgesim.tasks import NetworkForm

    check_choice("start-up", startup or "cold", get_args(Startup))
    mode = _mode(power_mode)
    devices = step_prediction.profiles_of(profile)
    training = Training(optimizer=optimizer, precision=precision)  # type: ignore[arg-type]
    tokens = vocabulary is not None or takes_tokens(model, size)
    form = NetworkForm(size, classes, task_of(model), tokens=tokens, vocabulary=vocabulary or 0)
    query = step_prediction.StepQuery.of(model, form, batch_size, training, dtype)
    if samples is None or epochs is None:
        found = [step_prediction.predict_step(device, query, mode) for device in devices]
    else:
        start: Startup = "warm" if startup == "warm" else "cold"
        found = [predict_job(device, query, samples, epochs, mode, start) for device in devices]
    if as_json:
        echo(json_text(found if len(devices) > 1 else found[0]))
    else:
        print_predictions(found, step_prediction.ALL in profile, dtype_given=dtype is not None)


def _shape(text: str) -> tuple[int, ...]:
    """Whole numbers >= 1 that an `x` joins."""
    parts = text.split("x")
    plain = all(part.isascii() and part.isdecimal() and len(part) <= MOST_DIGITS for part in parts)
    if len(parts) > MOST_AXES or not plain or "0" in {part.lstrip("0") or "0" for part in parts}:
        raise typer.BadParameter(
            f"--input must look like CxHxW (images, for example 3x224x224), CxT (windows, 3x80), "
            f"or one number (features, or tokens); got '{text}'"
        )
    return tuple(map(int, parts))


def _mode(text: str) -> str | ChosenClocks:
    """The name of a power mode, or the clocks of KEY=HZ,KEY=HZ.

    Raises:
        ScenarioError: a key is none of a clock, or its value no frequency; all such faults at once.
    """
    if "=" not in text:
        return text
    from edgesim.config import validation
    from edgesim.errors import Fault, ScenarioError
    from edgesim.hardware.conditions import ChosenClocks

    faults: list[Fault] = []
    given: dict[str, float | str] = {}
    for part in text.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not key:
            faults.append(Fault(part, "must look like KEY=HZ, for example gpu_hz=829e6"))
        elif key in given:
            faults.append(Fault(key, "is given twice; give each clock once"))
        else:
            given[key] = float(value) if _NUMBER.fullmatch(value) else value
    clocks = validation.build(ChosenClocks, given, "", faults)
    if clocks is None or faults:
        raise ScenarioError("--power-mode", faults)
    return clocks


def print_predictions(found: list[dict[str, Any]], fastest_first: bool, dtype_given: bool) -> None:
    """Print one prediction in lines, or several as a table of devices, and how samples are stored.

    Args:
        found: from `predict_step` or `predict_job`, all of the same kind.
        fastest_first: order the table by time; as given otherwise. Devices for which it is infeasible come last.
        dtype_given: False where the type of the samples' numbers is the usual one of their shape.
    """
    one, *others = found
    if not others:
        _print_training(one) if "samples" in one else _print_step(one)
    else:
        _print_table(found, fastest_first)
    echo(_wrapped(_stored(one, dtype_given)))


def _stored(found: dict[str, Any], dtype_given: bool) -> str:
    """Bytes of a stored sample and the type of its numbers, with the option that says another."""
    text = f"each sample is stored in {size(found['sample_bytes'])} ({found['dtype']}"
    return f"{text})" if dtype_given else f"{text}, usual for this shape; --dtype sets another)"


def _print_table(found: list[dict[str, Any]], fastest_first: bool) -> None:
    """Print predictions for several devices as a table; see `print_predictions`."""
    one, is_training = found[0], "samples" in found[0]
    if fastest_first:
        found = sorted(found, key=lambda each: (not each["feasible"], each["time_s"]))
    startup = "of which start-up s" if is_training else "start-up s, once per job"
    rows = [
        {
            "profile": each["profile"],
            "time s": each["time_s"] if each["feasible"] else None,
            startup: each["startup_s"] if each["feasible"] else None,
            "energy J": each["energy_j"] if each["feasible"] else None,
            "memory": size(each["peak_memory_bytes"]),
            "feasible": "yes" if each["feasible"] else f"no: {each['reason']}",
        }
        for each in found
    ]
    terminal.print_rows(_subject(one), rows, keys=("profile",))
    if any(each["priced_precision"] != each["precision"] for each in found):
        echo(f"devices without {one['precision']} units are priced at their fp32 speed")


def _subject(found: dict[str, Any]) -> str:
    """Step or training that is predicted, whatever the device."""
    setting = f"batch size {found['batch_size']}, {found['optimizer']}, {found['precision']}"
    setting += f", power mode {found['power_mode']}"
    if "samples" not in found:
        return f"one step of {found['model']}, {setting}"
    amount = f"{n_of(found['samples'], 'sample')}, {n_of(found['epochs'], 'epoch')}"
    return f"training of {found['model']}, {amount}, {setting}, {found['startup']} start"


def _print_training(found: dict[str, Any]) -> None:
    """Print a whole training in lines of at most 80 characters."""
    from edgesim.planning.step_prediction import PARTS

    echo(_wrapped(f"{found['profile']}: {_subject(found)}"))
    echo(f"  time          {number(found['time_s'])} s")
    for label, key in (("start-up", "startup_s"), *((name, f"{name}_time_s") for name in (*PARTS, "heat"))):
        if found[key]:
            share = short_percent(found[key] / found["time_s"], 2)
            echo(f"    {label:<10}  {number(found[key])} s ({share})")
    echo(f"  energy        {number(found['energy_j'])} J")
    for label, key in (("start-up", "startup_energy_j"), ("training", "training_energy_j")):
        if found[key]:
            share = short_percent(found[key] / found["energy_j"], 2)
            echo(f"    {label:<10}  {number(found[key])} J ({share})")
    if found["battery_j"]:
        echo(f"  battery       {short_percent(found['energy_j'] / found['battery_j'], 2)} of a full one")
    read = f"{size(found['read_bytes'])} read from storage"
    echo(f"  work          {n_of(found['steps'], 'step')}, {scaled(found['flops'], 'FLOP')}, {read}")
    echo(_memory(found))
    if found["throttled_s"]:
        echo(f"  throttled     {number(found['throttled_s'], 3)} s at the limit of its heat")
    _print_limits(found)


def _print_step(found: dict[str, Any]) -> None:
    """Print one step in lines of at most 80 characters."""
    from edgesim.planning.step_prediction import PARTS

    setting = f"{found['optimizer']}, {found['precision']}, power mode {found['power_mode']}"
    echo(_wrapped(f"{found['model']} on {found['profile']}, batch size {found['batch_size']}, {setting}"))
    echo(f"  one step      {number(found['time_s'])} s")
    for name in PARTS:
        share = short_percent(found[f"{name}_time_s"] / found["time_s"], 2)
        binds = ", binds" if name == found["binds"] else ""
        echo(f"    {name:<10}  {number(found[f'{name}_time_s'], 3)} s ({share}){binds}")
    if found["startup_s"]:
        start = f"{number(found['startup_s'], 3)} s, {number(found['startup_energy_j'], 3)} J"
        echo(f"  start-up      {start}: once per job, unless the process runs already")
    echo(f"  energy        {number(found['energy_j'])} J")
    echo(f"  work          {scaled(found['flops'], 'FLOP')}, {size(found['moved_bytes'])} moved in memory")
    echo(_memory(found))
    _print_limits(found)


def _memory(found: dict[str, Any]) -> str:
    """Line of the peak memory, with the part that a GPU's context takes."""
    context = f" ({size(found['context_bytes'])} for the GPU's context)" if found["context_bytes"] else ""
    usable = f"{size(found['usable_memory_bytes'])} usable"
    return f"  memory        {size(found['peak_memory_bytes'])}{context} of {usable}"


def _print_limits(found: dict[str, Any]) -> None:
    """Print why it is infeasible, and the precision whose speed is used where the device lacks the one asked for."""
    if not found["feasible"]:
        echo(_wrapped(f"  infeasible: {found['reason']}"))
    if found["priced_precision"] != found["precision"]:
        speed = f"priced at its {found['priced_precision']} speed"
        echo(_wrapped(f"  {found['profile']} has no {found['precision']} units: {speed}"))


def _wrapped(line: str) -> str:
    return textwrap.TextWrapper(WIDTH, break_on_hyphens=False, subsequent_indent=" " * 4).fill(line)
