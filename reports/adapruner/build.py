"""Run AdaPruner's study, point after point, and write its page after each of them.

`make reproduce-adapruner` runs it. Every point is a run folder under runs/adapruner, resumed where it was stopped. The
trials of a finished point go to points/ beside this file, from which `--page-only` writes page, details.md and
results.csv without running anything. A point of today's design that points/ has, and whose run folder is gone, is not
run again, unless another point is to train on its sets. `--list` says which points are done. `--size
paper` runs the paper's own configuration: it needs a GPU or a cluster.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # `ada_*` and `study`

import ada_costs  # noqa: E402
import ada_geometry  # noqa: E402
import ada_page  # noqa: E402
import ada_records  # noqa: E402
from ada_points import GEOMETRY, ROOT, RUNS, PaperPoint, Point, paper_points, points  # noqa: E402
from study import running  # noqa: E402


def main() -> None:
    """Run what is missing, and write page and results after every point."""
    asked = running.sized_parser(main.__doc__).parse_args()
    every: list[Point | PaperPoint] = [*points()] if asked.size == "reduced" else [*paper_points()]
    if asked.list:
        print(running.listed(every, lambda point: ada_records.read(HERE, point) is not None))
        return
    os.chdir(ROOT)  # points name the runs whose sets they train on from here

    def keep(point: Point | PaperPoint, run: Path) -> None:
        if isinstance(point, Point) and point.kind == GEOMETRY:
            ada_geometry.keep(HERE, point, run)
        ada_records.keep(HERE, point, run)
        ada_page.write(HERE)

    def has(point: Point | PaperPoint) -> bool:
        return ada_records.read(HERE, point) is not None

    def is_known(point: Point | PaperPoint) -> bool:
        return has(point) and point not in sources

    wanted = [point for point in every if asked.only is None or asked.only in point.name]
    # A set that another point is yet to train on is in the run folder alone.
    sources = [one.source for one in wanted if one.source is not None and not has(one)]
    every, asked.only = [point for point in every if point in wanted or point in sources], None
    if not asked.page_only:
        ada_costs.keep(HERE)
    ada_page.write(HERE)
    running.run_points(every, RUNS, asked, is_known, keep)


if __name__ == "__main__":
    main()
