"""Stand-in for one of Ray's two agents until a process asks for it. Run as a file, without `site`, to start fast.

A raylet takes no worker before its agents have written their ports, and importing them takes 2 s of a core.
The dashboard's agent sends metrics to a dashboard, and a run has none. The port -1 says so, as in Ray's own agent
where its extras are missing. The other agent prepares runtime environments, which `uv run`, for example, asks Ray for.
The stand-in writes its port; the first connection to the port starts the real agent.

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
