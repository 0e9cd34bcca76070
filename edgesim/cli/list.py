"""`edgesim list`: the names that a scenario can use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from edgesim.cli.app import Json, app, echo, json_text
from edgesim.formatting import number, scaled, short_percent, watts

TABLES = ("methods", "samplers", "models", "datasets", "partitions", "profiles", "scenarios", "fleets",
          "trackers")  # fmt: skip
Rows = list[dict[str, Any]]

LEGENDS = {
    "profiles": "~ marks an estimate. used: share of the peak that training reaches with that software. lasting: share "
    "of the speed that remains under load, where heat slows the device down. watts of: what the watts include; sums "
    "over different scopes do not compare. GPU clocks: steps that a fleet's power_mode can set. power modes: names for "
    "it, beside full. Empty cells: not in the profile. --json has every number with its source."
}


@app.command("list")
def list_names(
    table: Annotated[str, typer.Argument(metavar="|".join(TABLES), help="Table to print.")],
    as_json: Json = False,
) -> None:
    """List the names that a scenario can use.

    Methods, models, datasets, partitions and trackers of installed packages are there, too; `from` says which package.
    """
    from edgesim.cli import terminal

    rows = rows_of(table)
    if rows is None:
        raise typer.BadParameter(f"there is no table '{table}'; allowed: {', '.join(TABLES)}")
    if as_json:
        echo(json_text(_in_full(table, rows)))
        return
    rows = [{name: value for name, value in row.items() if name != "file"} for row in rows]
    terminal.print_rows(table, rows, optional=("title",))
    if table in LEGENDS:
        terminal.print_line(LEGENDS[table])


def rows_of(table: str) -> Rows | None:
    """One row per name of a table, or None where there is no such table."""
    from edgesim.config.plugins import KINDS

    rows = _own_rows(table)
    if rows is None or table not in KINDS:
        return rows
    taken = {row["name"] for row in rows}
    return [*({**row, "from": "edgesim"} for row in rows), *_of_packages(table, taken, list(rows[0]))]


def _of_packages(table: str, taken: set[str], columns: list[str]) -> Rows:
    """Rows of the plug-ins of installed packages. One that fails on import is named with its error."""
    from edgesim.config import plugins, registry
    from edgesim.errors import EdgesimError

    rows = []
    for plugin in plugins.installed(table):
        row = {**dict.fromkeys(columns), "name": plugin.name, "from": plugin.package}
        if plugin.name in taken:
            row["what"] = f"not used: edgesim has one of that name; {plugin.reference} names this one"
        else:
            try:
                loaded = registry.load(plugin.reference)
                row["what"] = _summary(loaded) if loaded.__doc__ else plugin.reference
                known = {"source": "source", "cost": "cost_class"}
                row |= {name: getattr(loaded, known[name], None) for name in columns if name in known}
            except EdgesimError as error:
                row["what"] = f"cannot be used: {error}"
        rows.append(row)
    return rows


def _own_rows(table: str) -> Rows | None:
    """The rows of edgesim itself, or None where there is no such table."""
    if table == "methods":
        from edgesim.pruning import METHODS

        return [
            {"name": name, "what": _summary(cls), "source": cls.source, "cost": cls.cost_class}
            for name, cls in METHODS.items()
        ]
    if table == "samplers":
        from edgesim.pruning import SAMPLERS

        return _named(SAMPLERS)
    if table == "models":
        from edgesim.models import MODELS

        outside = [
            {"name": "timm:NAME", "what": "any timm network, where timm is installed"},
            {"name": "package.module:Name", "what": "your own network"},
        ]
        return _named(MODELS) + outside
    if table == "datasets":
        from edgesim.data.datasets import DATASETS

        return _named(DATASETS)
    if table == "partitions":
        from edgesim.data.partition_schemes import PARTITIONS

        return _named(PARTITIONS)
    if table == "profiles":
        from edgesim.hardware import loading

        return [_profile(row) for row in loading.table()]
    if table == "trackers":
        from edgesim.scenario.run_section import TRACKERS

        return [{"name": name, "what": what} for name, what in TRACKERS.items()]
    if table in ("scenarios", "fleets"):
        from edgesim.config import shipped

        files = shipped.scenarios() if table == "scenarios" else shipped.fleets()
        return [{"name": name, "what": shipped.title(file), "file": str(file)} for name, file in files.items()]
    return None


def _profile(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table of profiles as text, estimates with a ~."""

    def marked(name: str, text: str) -> str:
        return f"~{text}" if name in row["estimates"] else text

    battery_j, lasting = row["battery_j"], row["lasting"]
    return {
        "name": row["name"],
        "class": row["class"],
        "software": row["software"],
        "peak FP32": marked("peak_flops_per_s", scaled(row["peak_flops_per_s"], "FLOP/s")),
        "used": marked("utilisation", short_percent(row["utilisation"], 2)),
        "memory": marked("memory_bytes", scaled(row["memory_bytes"], "B")),
        "storage": row["storage"],
        "idle": marked("idle_w", watts(row["idle_w"])),
        "load": marked("max_w", watts(row["max_w"])),
        "watts of": row["power_scope"],
        "lasting": None if lasting is None else marked("lasting", short_percent(lasting, 2)),
        "battery": None if battery_j is None else marked("battery_j", f"{number(battery_j / 3600, 3)} Wh"),
        "GPU clocks": _steps(row["gpu_hz"]),
        "power modes": ", ".join(row["power_modes"]) or None,
        "title": row["title"],
    }


def _steps(steps_hz: tuple[float, ...] | None) -> str | None:
    """Steps of a clock in words, such as "14, 115 to 1377 MHz"."""
    if not steps_hz:
        return None
    lowest, highest = (f"{step / 1e6:.0f}" for step in (steps_hz[0], steps_hz[-1]))
    return f"{len(steps_hz)}, {lowest} to {highest} MHz" if len(steps_hz) > 1 else f"{highest} MHz"


def _in_full(table: str, rows: Rows) -> Any:
    """All that a machine may want to know of a table."""
    if table == "profiles":
        from edgesim.hardware import loading

        return [loading.to_dict(loading.load(name)) for name in loading.names()]
    return rows


def _named(table: Mapping[str, type]) -> Rows:
    return [{"name": name, "what": _summary(cls)} for name, cls in table.items()]


def _summary(cls: object) -> str:
    """First line of the docstring of a class or function."""
    return (cls.__doc__ or "").strip().splitlines()[0].rstrip(".")
