"""Fit the coefficients of the shipped profiles to the published measurements, and compare or write them.

Without an option, the fitted coefficients are compared with those in the shipped profiles.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from threadpoolctl import threadpool_limits

from edgesim.calibration.measured_step import MeasuredStep
from edgesim.calibration.published import (
    activities,
    coefficients,
    jetson_fit,
    jetson_report,
    measurements,
    predictors,
    profile_writer,
    report,
)
from edgesim.calibration.published.coefficients import FamilyFit
from edgesim.calibration.published.families import FAMILIES
from edgesim.calibration.published.jetson_fit import JetsonFit
from edgesim.calibration.published.matrix_products import DrawFit, ProductFit, fit_draw, fit_products
from edgesim.calibration.published.measurements import LeftOut
from edgesim.calibration.published.profile_coefficients import SMALL_NETWORK, Value
from edgesim.errors import EdgesimError
from edgesim.formatting import n_of
from edgesim.hardware import loading
from edgesim.hardware.loading import DeviceProfile


class PublishedFit(NamedTuple):
    """Fits to the measurements of one folder, and the coefficients that follow for every profile."""

    profiles: dict[str, DeviceProfile]
    families: list[FamilyFit]
    jetsons: JetsonFit
    product_fits: dict[str, ProductFit]
    draws: dict[str, DrawFit]
    products: list[measurements.Product]
    left_out: list[LeftOut]
    values: dict[str, dict[str, Value]]
    """profile -> `section.field` -> coefficient"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the fit; returns the exit status: 1 where shipped coefficients differ, 2 for files that cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m edgesim.calibration.published", description=__doc__)
    parser.add_argument(
        "--measurements",
        type=Path,
        metavar="FOLDER",
        help="folder with the CSV files of device_profiles/measurements (default: those that come with edgesim)",
    )
    parser.add_argument("--profiles", type=Path, metavar="FOLDER", help="write the coefficients into these profiles")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the errors to this Markdown file")
    given = parser.parse_args(arguments)
    try:
        fitted = fit_profiles(given.measurements or measurements.folder(), given.profiles)
        if given.profiles is not None:
            write(fitted, given.profiles)
        if given.report is not None:
            figure = given.report.with_name(f"{given.report.stem}-jetsons.svg")
            figure.write_text(jetson_report.figure(fitted.jetsons), encoding="utf-8")
            given.report.write_text(report.page(report_content(fitted), figure.name), encoding="utf-8")
    except EdgesimError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if given.profiles is not None or given.report is not None:
        return 0
    differing = differences(fitted)
    count = sum(map(len, fitted.values.values()))
    sys.stdout.write(
        "".join(f"{line}\n" for line in differing)
        + f"{count:,} coefficients of {n_of(len(fitted.values), 'profile')} fitted; "
        f"{len(differing)} differ from those in the profiles\n"
    )
    return 1 if differing else 0


def fit_profiles(folder: Path, profile_folder: Path | None = None) -> PublishedFit:
    """Fit every family of devices, and derive the coefficients of all profiles.

    BLAS has one thread, as in runs: sums then have one order, and the last bits do not depend on the number of cores.

    Args:
        folder: of the measurements.
        profile_folder: of the profiles; None = the shipped ones.

    Raises:
        EdgesimError: files that are missing or malformed.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        return _fit_profiles(folder, profile_folder)


def _fit_profiles(folder: Path, profile_folder: Path | None) -> PublishedFit:
    known = {name: loading.load(name, profile_folder) for name in loading.names(profile_folder)}
    measured, left_out = measurements.steps(folder)
    left_out += unfitted(measured, known)
    products = measurements.products(folder)
    families = coefficients.fit_all(measured, known)
    jetsons = jetson_fit.fit_jetsons(folder, measured, known)
    devices = sorted({product.device for product in products})
    product_fits = {name: fit_products([one for one in products if one.device == name]) for name in devices}
    draws = {name: fit_draw([one for one in products if one.device == name]) for name in devices}
    found = coefficients.coefficients(known, families, jetsons)
    values = {name: own | activities.of_profile(known[name]) for name, own in found.items()}
    return PublishedFit(known, families, jetsons, product_fits, draws, products, left_out, values)


def unfitted(measured: Sequence[MeasuredStep], profiles: Mapping[str, DeviceProfile]) -> list[LeftOut]:
    """Steps that can be counted and that no fit takes, with the reason."""
    in_families = {device for family in FAMILIES for device in family.devices}
    found = []
    for step in measured:
        if step.model == SMALL_NETWORK:
            reason = "nearly all overhead: it gives the time of one operation"
        elif step.device not in in_families and profiles[step.device].clocks is None:
            reason = "its device is in no family of families.py, and has no clocks"
        else:
            continue
        found.append(LeftOut(profiles[step.device].title, step.model, reason))
    return found


def differences(fitted: PublishedFit) -> list[str]:
    """Lines on the coefficients that the profiles hold with other digits than they would be written with."""
    lines = []
    for name, values in fitted.values.items():
        for field, value in values.items():
            section, key = field.split(".")
            quantity = getattr(getattr(fitted.profiles[name], section), key)
            there = None if quantity is None else profile_writer.number(quantity.value)
            if there != profile_writer.number(value.value):
                lines.append(f"{name}: {field} is {there}; the fit gives {profile_writer.number(value.value)}")
    return lines


def write(fitted: PublishedFit, profile_folder: Path) -> None:
    """Put the coefficients into the profile files of a folder."""
    for name, values in fitted.values.items():
        if (file := profile_folder / f"{name}.yaml").is_file():
            profile_writer.update(file, values)


def report_content(fitted: PublishedFit) -> report.ReportContent:
    """Errors of the fits, beside those of a roofline on the same measurements; one thread of BLAS, as in the fits."""
    rooflines = {}
    with threadpool_limits(limits=1, user_api="blas"):
        for one in fitted.families:
            rooflines.update(predictors.held_out_roofline(one.family, one.data, one.measured, one.anchor))
        held_out_steps = jetson_fit.held_out_steps(fitted.jetsons)
    return report.ReportContent(
        fitted.families,
        fitted.jetsons,
        held_out_steps,
        rooflines,
        fitted.product_fits,
        fitted.draws,
        fitted.products,
        fitted.left_out,
        fitted.profiles,
    )


if __name__ == "__main__":
    sys.exit(main())
