"""`edgesim geometry`: the classes in the embeddings of networks trained on all samples and on the kept ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgesim.cli import terminal
from edgesim.cli.app import Json, app, check_choice, echo, json_text
from edgesim.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

    from edgesim.results.run_folder import Run
    from edgesim.sessions.embedding import Choice

MOST_SAMPLES = 2000
"""samples that are measured, by default: distances of all pairs are taken"""


@app.command()
def geometry(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of a classification.")],
    method: Annotated[str | None, typer.Option(help="Method whose samples are kept. Default: the first one.")] = None,
    keep_ratio: Annotated[
        float | None, typer.Option(help="Keep ratio of its trials. Default: the largest below 1.")
    ] = None,
    device: Annotated[int, typer.Option(min=0, help="Device whose samples are embedded.")] = 0,
    samples: Annotated[
        int, typer.Option(min=4, help="Most samples that are measured, evenly over the classes.")
    ] = MOST_SAMPLES,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="FILE.html or FILE.md. Default: RUN/geometry.html and RUN/geometry.md."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train on all and on the kept samples again, and compare the classes in both embeddings (AdaPruner, Fig. 3).

    Two trainings per seed. Writes t-SNE maps, and a table with Dunn index, linkage, radius, distances and silhouette.
    """
    if out is not None and out.suffix not in (".html", ".md"):
        raise typer.BadParameter(f"--out must name a .html or .md file; got {out}")
    from edgesim.analysis.geometry import geometry_table, maps_of, measured
    from edgesim.cli import stop_signals
    from edgesim.config.output_files import check_replaceable
    from edgesim.report import geometry_page
    from edgesim.results.run_folder import Run
    from edgesim.sessions.embedding import embeddings

    run = Run(folder)
    choice = _choice(run, method, keep_ratio, device)
    files = [out] if out else [folder / "geometry.html", folder / "geometry.md"]
    for file in files:
        check_replaceable(file)
    stop_signals.interrupting()
    measures, maps, most = [], None, 0
    for found in embeddings(run, choice, lambda line: echo(line, err=True)):
        most = max(most, min(samples, len(found.labels)))
        panels = measured(found, choice.device, samples)
        measures += [(panel, found.seed, one) for panel, one in panels.items()]
        maps = maps_of(found) if maps is None else maps
    assert maps is not None  # `embeddings` refuses a choice without trials
    seeds = [seed for panel, seed, _ in measures if panel == "full"]
    table = geometry_table(measures)
    about = {**vars(choice), "seeds": len(seeds), "map_seed": seeds[0], "measured": most}
    if as_json:
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
        echo(json_text({**about, "rows": rows}))
    else:
        title = f"{choice.method} at {choice.keep_ratio:g}, device {choice.device}"
        terminal.print_rows(title, _rows(table), keys=("samples and network", "measure"))
    for path in geometry_page.write(geometry_page.geometry_page(run, about, table, maps), files):
        echo(f"page: {path}", err=as_json)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The table in words; ends of intervals where they are known."""
    from edgesim.analysis.geometry import DIFFERENCE, MEASURES, PANELS
    from edgesim.formatting import SIGNED, UNKNOWN, number, percent

    rows = []
    for one in table.to_dict("records"):
        known = one["low"] == one["low"]
        change = SIGNED(one["change"]) if one["change_is"] == DIFFERENCE else percent(one["change"], sign=True)
        rows.append({
            "samples and network": PANELS[one["panel"]],
            "measure": MEASURES[one["measure"]],
            "mean": number(one["value"], 3),
            "95 % interval": f"{number(one['low'], 3)} to {number(one['high'], 3)}" if known else "",
            "change": "" if change == UNKNOWN else change,
        })  # fmt: skip
    return rows


def _choice(run: Run, method: str | None, keep_ratio: float | None, device: int) -> Choice:
    """The trials that are asked for, or the first method that keeps a part and its largest keep ratio.

    Raises:
        RunError: the run has no trial that keeps a part.
    """
    from edgesim.records import rounded_ratio
    from edgesim.sessions.embedding import Choice

    records = run.records
    part = records[(records["status"] == "ok") & (records["subset_size"] < records["shard_size"])]
    part = part[(part["device"] == device) & ~part["dynamic"].astype(bool)]
    if method is None and part.empty:
        raise RunError(f"{run.path} has no trial of device {device} that ended well and keeps a part of its samples")
    name = str(part["method"].iloc[0]) if method is None else method
    check_choice("method", name, list(dict.fromkeys(records["method"])))
    own = part.loc[part["method"] == name, "keep_ratio"]
    ratio = float(own.max()) if keep_ratio is None and len(own) else 1.0 if keep_ratio is None else keep_ratio
    return Choice(name, float(rounded_ratio(ratio)), device)
