"""The scenarios and fleets that come with edgesim, by name: of a checkout, or the copies in an installed package."""

from __future__ import annotations

from pathlib import Path

from edgesim.config.document_bounds import user_path
from edgesim.config.validation import nearest
from edgesim.errors import Fault, ScenarioError


def scenarios() -> dict[str, Path]:
    """Name -> file, sorted."""
    return _named(_folder())


def fleets() -> dict[str, Path]:
    """Name -> file, sorted."""
    return _named(_folder() / "fleets")


def scenario_file(given: str | Path) -> Path:
    """The file of a scenario: the one at a path, or else the shipped one of that name.

    Raises:
        ScenarioError: there is neither.
    """
    path = user_path(given)
    return path if path.is_file() else _by_name(path, scenarios(), "scenario")


def fleet_file(given: str | Path, folder: Path | None = None) -> Path:
    """The file of a fleet: the one at a path, or else the shipped one of that name.

    Args:
        given: path or name.
        folder: where a relative path starts; where one is if left out.

    Raises:
        ScenarioError: there is neither.
    """
    path = user_path(given)
    beside = path if folder is None else user_path(folder / path)
    return beside if beside.is_file() else _by_name(path, fleets(), "fleet", beside)


def title(file: Path) -> str:
    """The first sentence of the comment that a shipped file begins with."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# ").strip())
    return " ".join(lines).partition(". ")[0].rstrip(".")


def _by_name(path: Path, shipped: dict[str, Path], what: str, beside: Path | None = None) -> Path:
    """The shipped file that a path names, where it is a bare name. `beside`: the path from where it starts."""
    if str(path) in shipped:
        return shipped[str(path)]
    there = beside or path
    if there.exists():
        kind = "a folder" if there.is_dir() else "no regular file (a device or a pipe)"
        raise ScenarioError(str(there), [Fault("", f"is {kind}, and a {what} is a YAML file")])
    others = [file.name for file in there.parent.glob("*.yaml")] if path.suffix else []
    # A path of the repository, or a name with its ending: the name alone is meant.
    near = f" (did you mean '{path.stem}'?)" if path.stem in shipped else nearest(path.name, [*others, *shipped])
    message = f"there is no such file{near}; {what}s that come with edgesim: {', '.join(shipped)}"
    raise ScenarioError(str(there), [Fault("", message)])


def _folder() -> Path:
    package = Path(__file__).resolve().parents[1]
    packaged = package / "_scenarios"
    return packaged if packaged.is_dir() else package.parent / "scenarios"


def _named(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}
