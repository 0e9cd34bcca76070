"""What `edgesim calibrate` does and prints."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import typer

from edgesim.calibration import host_page, this_machine
from edgesim.calibration.host import TorchDevice
from edgesim.errors import EdgesimError, n_of
from edgesim.formatting import per_cent
from edgesim.hardware import loading
from edgesim.results import provenance


def request(
    name: str, threads: int | None, device_class: str | None, torch_device: str, folder: Path, check: bool
) -> this_machine.Request:
    """The arguments of the command, checked.

    Raises:
        EdgesimError: an unknown class or torch device, or a name that no profile can have.
    """
    import torch

    allowed = get_args(loading.DeviceClass)
    if device_class is not None and device_class not in allowed:
        raise EdgesimError(f"--class {device_class}: there is no such class; allowed: {', '.join(allowed)}")
    cuda = torch.cuda.is_available()
    if torch_device not in ("auto", "cpu", "cuda") or (torch_device == "cuda" and not cuda):
        choice = "auto, cpu, cuda" if cuda else "auto, cpu (torch sees no GPU)"
        raise EdgesimError(f"--torch-device {torch_device}: cannot be used here; allowed: {choice}")
    chosen: TorchDevice = "cuda" if torch_device == "cuda" or (torch_device == "auto" and cuda) else "cpu"
    if not loading.is_name(name):
        raise EdgesimError(f"--name {name}: must be lower-case words joined by hyphens, like my-device")
    processor = torch.cuda.get_device_name() if chosen == "cuda" else str(provenance.host()["processor"])
    return this_machine.Request(
        name=name,
        title=processor,
        processor=processor,
        device_class=device_class or this_machine.device_class(),
        torch_device=chosen,
        threads=threads or torch.get_num_threads(),
        folder=folder,
        check=check,
    )


def show(found: this_machine.Calibrated, out: Path) -> None:
    """Print the outcome."""
    machine, profile = found.machine, found.profile
    lines = [
        f"{profile.name}: {machine.processor}, {n_of(machine.threads, 'thread')}, class {machine.device_class}",
        f"  peak {machine.peak_flops_per_s / 1e9:.4g} GFLOP/s in FP32, training reaches "
        f"{per_cent(profile.compute.training_utilisation.value)} of it",
        f"  copies {machine.copies.large_bytes_per_s / 1e9:.3g} GB/s, storage reads "
        f"{machine.storage.read_bytes_per_s / 1e6:.4g} MB/s ({machine.storage.how})",
        f"  power {profile.idle_w:g} W idle, {profile.power_w:g} W in training: {profile.power.max_w.source}",
        *(f"  {note}" for note in found.notes),
        f"  mean absolute error {per_cent(found.fitted.held_out)}, {found.fitted.held_out_words} of the fit",
    ]
    if machine.timings.share is not None and machine.timings.share < 0.9:
        lines.append(
            "  other programs kept this one waiting: "
            f"it had a processor {per_cent(machine.timings.share, 0)} of the time; "
            "calibrate an idle machine where you can"
        )
    if found.check is not None:
        lines += ["", host_page.table(found.check.timed, found.check.predicted_s), ""]
    typer.echo("\n".join([*lines, f"profile: {out}"]))
