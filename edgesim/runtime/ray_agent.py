"""Stands in for one of Ray's two agents until somebody asks for it. Run as a file, without `site`: it starts at once.

A raylet takes no worker before its agents have written their ports, and importing them takes 3 s of a core. One sends
metrics to a dashboard that a run has not; that is said as Ray's own minimal agent says it, by the port -1. The other
prepares runtime environments, which a run asks for where Ray has been told to use one (`uv run` does, for example):
here is only its port, and whoever connects to that wakes the real one.

Arguments: `dashboard` or `runtime_env`, then the command of the real agent.
"""

import os
import select
import socket
import sys
from pathlib import Path

PORTS = {
    "dashboard": ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"),
    "runtime_env": ("runtime_env_agent_port",),
}
OWN_PORT = "--runtime-env-agent-port="
LOOK_EVERY_S = 1.0
"""interval of the checks that the raylet still runs"""


def main() -> None:
    """Write the ports, then wait for the raylet's end or for a caller."""
    parent = int(os.environ.get("RAY_RAYLET_PID", os.getppid()))  # it may have ended before this began
    agent, *command = sys.argv[1:]
    options = dict(part[2:].split("=", 1) for part in command if part.startswith("--") and "=" in part)
    server = socket.create_server((options["node-ip-address"], 0)) if agent == "runtime_env" else None
    port = server.getsockname()[1] if server else -1
    for name in PORTS[agent]:
        file = Path(options["session-dir"], f"{name}_{options['node-id']}")
        unfinished = file.with_name(f".{file.name}")
        unfinished.write_text(str(port))
        unfinished.replace(file)  # the raylet may read it at any time
    while os.getppid() == parent:
        if select.select([server] if server else [], [], [], LOOK_EVERY_S)[0]:
            if server:
                server.close()
            command = [f"{OWN_PORT}{port}" if part.startswith(OWN_PORT) else part for part in command]
            os.execv(command[0], command)  # the raylet tries again until it answers


if __name__ == "__main__":
    main()
