"""Run the study of the edge paper's claims, point after point, and write its page after each of them.

`make reproduce-edge-paper` runs it. Every point is a run folder under runs/edge-paper, resumed where it was stopped.
The trials of a finished point go to points/ beside this file, from which `--page-only` writes page and results.csv
without running anything. A point of today's design that points/ has, and whose run folder is gone, is not run again.
`--size paper` runs the paper's own configuration instead: it needs a GPU or a cluster.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # `paper_*` and `study`

import paper_costs  # noqa: E402
import paper_page  # noqa: E402
import paper_records  # noqa: E402
from paper_points import ROOT, Point, paper_points, points  # noqa: E402
from study import running  # noqa: E402

RUNS = ROOT / "runs" / "edge-paper"


def main() -> None:
    """Run what is missing, and write page and results after every point."""
    asked = running.sized_parser(main.__doc__).parse_args()
    every = list(points() if asked.size == "reduced" else paper_points())
    if asked.list:
        print(running.listed(every, lambda point: paper_records.read(HERE, point) is not None))
        return

    def keep(point: Point, run: Path) -> None:
        paper_records.keep(HERE, point, run)
        paper_page.write(HERE)

    if not asked.page_only:
        paper_costs.keep(HERE)
    paper_page.write(HERE)
    running.run_points(every, RUNS, asked, lambda point: paper_records.read(HERE, point) is not None, keep)


if __name__ == "__main__":
    main()
