"""The commands with their arguments and options, from the parser."""

from __future__ import annotations

from typing import Any

import typer

from edgesim.cli.commands import app
from generators.markdown import code, page, table


def commands() -> str:
    """One section per command: its help, arguments and options."""
    group: Any = typer.main.get_command(app)
    rows = [(f"[`edgesim {name}`](#edgesim-{name})", _help(command).split("\n\n")[0]) for name, command in _all(group)]
    parts = [table(("command", "purpose"), rows)]
    for name, command in _all(group):
        parts += [f"## edgesim {name}", _help(command), _options(command)]
    return page(*parts)


def _all(group: Any) -> list[tuple[str, Any]]:
    return list(group.commands.items())


def _help(command: Any) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))


def _options(command: Any) -> str:
    rows = []
    for parameter in command.params:
        names = [*parameter.opts, *parameter.secondary_opts] if parameter.param_type_name == "option" else []
        metavar = parameter.metavar or ("" if getattr(parameter, "is_flag", False) else parameter.name.upper())
        shown = " ".join([", ".join(names), metavar]).strip()
        rows.append((code(shown), parameter.help or "", "yes" if parameter.required else ""))
    return table(("argument or option", "meaning", "required"), rows)
