"""Hooks of mkdocs: generated tables in place of their markers, one page per device, and the shipped reports.

A marker is a line `<!-- generated: NAME -->` in a page. An unknown name stops the build.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generators import columns, commands, devices, keys, methods, notebooks, python_api, rooms
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "reports"
MARKER = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)

GENERATED: dict[str, Callable[[], str]] = {
    "scenario-keys": keys.scenario_keys,
    "augmentations": keys.augmentations,
    "fleet-keys": keys.fleet_keys,
    "profile-keys": keys.profile_keys,
    "methods": methods.methods,
    "samplers": methods.samplers,
    "method-members": methods.method_members,
    "devices": devices.devices,
    "run-tables": columns.run_tables,
    "transfer-columns": columns.transfer_columns,
    "task-metrics": columns.task_metrics,
    "report-columns": columns.report_columns,
    "commands": commands.commands,
    "python": python_api.python,
    "rooms": rooms.rooms,
    "modules": rooms.modules,
}
"""marker -> its text"""

MOVED = {
    "equal-cost/README.md": "equal-cost.md",
    "equal-cost/details.md": "details.md",
    "equal-cost/results.csv": "results.csv",
}
"""file below reports/ -> its name below results/, where the two differ"""
STUDIES = ("edge-paper", "adapruner")
"""folders below reports/ whose pages, tables and figures are taken as they lie"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of devices and notebooks, and the files under reports/."""
    for name, text in devices.device_pages():
        files.append(File.generated(config, f"devices/{name}.md", content=text))
    for name, text in notebooks.pages().items():
        files.append(File.generated(config, f"notebooks/{name}.md", content=text))
    patterns = ["*.html", "bench*.md", "calib*.md", "calib*.svg", "scoring-speed.md", "users.md"]
    patterns += [f"{study}/*.{kind}" for study in STUDIES for kind in ("md", "html", "svg", "csv")]
    shown = [path for pattern in patterns for path in sorted(REPORTS.glob(pattern))]
    for path in [*shown, *(REPORTS / name for name in MOVED)]:
        name = path.relative_to(REPORTS).as_posix()
        files.append(File.generated(config, f"results/{MOVED.get(name, name)}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, files: Files) -> str:
    """Put generated text in place of the markers of a page."""
    return MARKER.sub(lambda found: _text(found[1], page.file.src_uri), markdown)


def _text(name: str, place: str) -> str:
    if name not in GENERATED:
        raise PluginError(f"{place}: nothing generates {name!r}; known: {', '.join(GENERATED)}")
    return GENERATED[name]()
