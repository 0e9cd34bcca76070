"""`python -m edgesim.calibration FOLDER`: fit, write the profiles' coefficients and the page of errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edgesim.calibration import cross_validation, measurements
from edgesim.calibration.matrix_products import fit_draw
from edgesim.calibration.published import activities, coefficients, profile_writer, report
from edgesim.errors import EdgesimError
from edgesim.hardware import loading


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the calibration; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m edgesim.calibration", description=__doc__)
    parser.add_argument("folder", type=Path, help="with training_measurements.csv and gemm_dvfs.csv")
    parser.add_argument("--profiles", type=Path, help="folder of profile files to write the coefficients into")
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    given = parser.parse_args(arguments)
    try:
        run(given.folder, given.profiles, given.report)
    except EdgesimError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def run(folder: Path, profile_folder: Path | None, page: Path | None) -> report.ReportContent:
    """Fit every family of devices and write what is asked for.

    Args:
        folder: of the measurements.
        profile_folder: its profiles get the coefficients; None writes none.
        page: the Markdown file; None writes none.

    Raises:
        EdgesimError: files that are missing or malformed.
    """
    known = {name: loading.load(name, profile_folder) for name in loading.names(profile_folder)}
    measured, left_out = measurements.steps(folder)
    products = measurements.products(folder)
    fits, product_fits = coefficients.fit_all(measured, products, known)
    draws = {name: fit_draw([one for one in products if one.device == name]) for name in product_fits}
    if profile_folder is not None:
        for name, values in coefficients.coefficients(known, fits, product_fits).items():
            if (file := profile_folder / f"{name}.yaml").is_file():
                profile_writer.update(file, values | activities.of_profile(known[name], known, draws))
    rooflines = {}
    for one in fits if page is not None else ():
        rooflines.update(cross_validation.held_out_roofline(one.family, one.data, one.measured, one.anchor))
    found = report.ReportContent(fits, rooflines, product_fits, draws, products, left_out, known)
    if page is not None:
        page.write_text(report.page(found), encoding="utf-8")
    return found


if __name__ == "__main__":
    sys.exit(main())
