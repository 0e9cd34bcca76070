"""`edgesim calibrate`: this machine measured into a device profile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from edgesim.cli.app import app, echo
from edgesim.errors import EdgesimError
from edgesim.formatting import n_of, percent, scaled, watts

if TYPE_CHECKING:
    from edgesim.calibration import this_machine
    from edgesim.calibration.step_timing import TorchDevice


@app.command()
def calibrate(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Profile to write. Default: NAME.yaml.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the profile. Default: that of the file, or this-machine.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch. Default: torch's own choice.")] = None,
    device_class: Annotated[
        str | None, typer.Option("--class", help="Device class of the profile. Default: as detected.")
    ] = None,
    torch_device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    check: Annotated[
        bool, typer.Option("--check", help="Predict training steps of networks left out of the fit.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.md", help="Report of the measurements to write.")
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="Visits of each network; fewer take less time, and disturbances show more.")
    ] = 9,
    repeats: Annotated[
        int, typer.Option(min=1, help="Calibrations one after another; the report has the spread of their results.")
    ] = 1,
) -> None:
    """Measure this machine into a device profile; takes minutes on an otherwise idle machine."""
    from edgesim.config.output_files import check_replaceable, write_signed

    check_replaceable(target := out or Path(f"{name or 'this-machine'}.yaml"))  # before the work, not after
    if page is not None:
        check_replaceable(page, "--report")
    from edgesim.calibration import this_machine, this_machine_page
    from edgesim.cli import calibration_progress, stop_signals
    from edgesim.results import provenance
    from edgesim.runtime.executor import keep_freed_memory

    stop_signals.interrupting()
    keep_freed_memory()  # as the actors of a run do, whose steps are measured here
    chosen = name or (out.stem if out else "this-machine")
    asked = request(chosen, threads, device_class, torch_device, target.resolve().parent, check)
    with calibration_progress.watcher() as tell:
        found = this_machine.calibrate(replace(asked, rounds=rounds), target, tell, repeats)
    if page is not None:
        write_signed(page, this_machine_page.page(found, provenance.command()))
    print_calibration(found[-1], target)


def request(
    name: str, threads: int | None, device_class: str | None, torch_device: str, folder: Path, check: bool
) -> this_machine.Request:
    """Checked arguments of the command.

    Raises:
        EdgesimError: an unknown class or torch device, or a name that no profile can have.
    """
    import torch

    from edgesim.calibration import this_machine
    from edgesim.hardware import loading
    from edgesim.hardware.quantity import GPU_CLASSES
    from edgesim.results import provenance

    allowed = get_args(loading.DeviceClass)
    if device_class is not None and device_class not in allowed:
        raise EdgesimError(f"--class {device_class}: there is no such class; allowed: {', '.join(allowed)}")
    cuda = torch.cuda.is_available()
    if torch_device not in ("auto", "cpu", "cuda") or (torch_device == "cuda" and not cuda):
        choice = "auto, cpu, cuda" if cuda else "auto, cpu (torch sees no GPU)"
        raise EdgesimError(f"--torch-device {torch_device}: cannot be used here; allowed: {choice}")
    chosen: TorchDevice = "cuda" if torch_device == "cuda" or (torch_device == "auto" and cuda) else "cpu"
    if device_class is not None and (device_class in GPU_CLASSES) != (chosen == "cuda"):
        priced = "a GPU's" if device_class in GPU_CLASSES else "a processor's"
        others = [one for one in allowed if (one in GPU_CLASSES) == (chosen == "cuda")]
        raise EdgesimError(
            f"--class {device_class}: its steps are priced as {priced}, and torch trains on {chosen} here; "
            f"allowed: {', '.join(others)}"
        )
    if not loading.is_name(name):
        raise EdgesimError(f"--name {name}: must be lower-case words joined by hyphens, like my-device")
    processor = torch.cuda.get_device_name() if chosen == "cuda" else str(provenance.host()["processor"])
    return this_machine.Request(
        name=name,
        title=processor,
        processor=processor,
        device_class=device_class or this_machine.device_class(chosen),
        torch_device=chosen,
        threads=threads or torch.get_num_threads(),
        folder=folder,
        check=check,
    )


def print_calibration(found: this_machine.Calibrated, out: Path) -> None:
    """Print the measured profile and its errors."""
    from edgesim.calibration import this_machine_page, this_machine_profile

    machine, profile = found.machine, found.profile
    lines = [
        f"{profile.name}: {machine.processor}, {n_of(machine.threads, 'thread')}, class {machine.device_class}",
        f"  peak {scaled(machine.peak_flops_per_s, 'FLOP/s', digits=4)} in FP32, training reaches "
        f"{percent(profile.compute.training_utilisation.value)} of it",
        f"  copies {scaled(machine.copies.large_bytes_per_s, 'B/s')}, storage reads "
        f"{scaled(machine.storage.read_bytes_per_s, 'B/s', digits=4)} ({machine.storage.how})",
        f"  power {watts(profile.idle_w)} idle, {watts(profile.power_w)} in training: {profile.power.max_w.source}",
        *([f"  clocks: {clocks}"] if (clocks := this_machine_profile.clock_words(machine)) else []),
        *(f"  {note}" for note in found.notes),
        f"  mean absolute error {percent(found.fitted.held_out)}: {found.fitted.held_out_words}",
    ]
    if machine.timings.share is not None and machine.timings.share < 0.9:
        lines.append(
            "  other programs kept this one waiting: "
            f"it had a processor for {percent(machine.timings.share, 0)} of the time; "
            "calibrate an idle machine if possible"
        )
    if found.check is not None:
        lines += ["", this_machine_page.table(found.check.timed, found.check.predicted_s), ""]
    echo("\n".join([*lines, f"profile: {out}"]))
