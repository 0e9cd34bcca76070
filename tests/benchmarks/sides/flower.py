"""The same work in Flower's simulation engine: every device a client that trains on its shard and evaluates its model.

    python flower.py FOLDER PRECISION [tutorial]

One round of FedAvg over all clients, one CPU each. The clients hold whole tensors and train channels-last, as the
reference does; what differs is the engine. With `tutorial` they train as Flower's tutorials do: a DataLoader over
normalised tensors, torch.optim.Adam, PyTorch's own memory format. What it prints as JSON: accuracy per device, and
when the first client began and the last one ended (time.time).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

FOLDER, PRECISION = Path(sys.argv[1]), sys.argv[2]
TUTORIAL = sys.argv[3:] == ["tutorial"]
NOTES = Path(tempfile.mkdtemp())
SIDES = str(Path(__file__).parent)


def client(context):  # type: ignore[no-untyped-def]
    """Train and evaluate one device; the parameters of the server are left aside, as devices here do not average."""
    import numpy as np
    from flwr.client import NumPyClient

    class Device(NumPyClient):
        def fit(self, parameters, config):  # type: ignore[no-untyped-def]
            import contextlib
            import io

            sys.path.insert(0, SIDES)
            import reference

            device = int(context.node_config["partition-id"])
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                (tutorial if TUTORIAL else reference.work)(FOLDER, PRECISION, [device])
            (NOTES / f"{device}.json").write_text(printed.getvalue())
            return [np.zeros(1)], 1, {}

    return Device().to_client()


def tutorial(folder: Path, precision: str, devices: list[int]) -> None:
    """The work of a device as PyTorch's and Flower's tutorials write it."""
    import numpy as np
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)
    plan = json.loads((folder / "plan.json").read_text())
    (device,) = devices
    shard = np.load(folder / f"shard{device}.npy")

    def data(images: np.ndarray, labels: np.ndarray) -> TensorDataset:
        scaled = (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - plan["mean"]) / plan["std"]
        return TensorDataset(scaled.contiguous(), torch.from_numpy(labels))

    own = data(np.load(folder / "train_samples.npy")[shard], np.load(folder / "train_labels.npy")[shard])
    test = data(np.load(folder / "test_samples.npy"), np.load(folder / "test_labels.npy"))
    began = time.time()
    torch.manual_seed(device)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    for _ in range(plan["epochs"]):
        for images, labels in DataLoader(own, batch_size=plan["batch_size"], shuffle=True):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                outputs = model(images)
            nn.functional.cross_entropy(outputs.float(), labels).backward()
            optimizer.step()
    model.eval()
    found = []
    with torch.no_grad():
        for part in (test, own):
            hits = sum(int((model(x).argmax(1) == y).sum()) for x, y in DataLoader(part, batch_size=256))
            found.append(hits / len(part))
    print(json.dumps({"accuracy": {device: found}, "began": began, "ended": time.time()}))


def server(context):  # type: ignore[no-untyped-def]
    import numpy as np
    from flwr.common import ndarrays_to_parameters
    from flwr.server import ServerAppComponents, ServerConfig
    from flwr.server.strategy import FedAvg

    strategy = FedAvg(
        fraction_fit=1.0,
        fraction_evaluate=0.0,
        min_available_clients=COUNT,
        initial_parameters=ndarrays_to_parameters([np.zeros(1)]),
    )
    return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=1))


COUNT = len(json.loads((FOLDER / "plan.json").read_text())["sizes"])

if __name__ == "__main__":
    from flwr.client import ClientApp
    from flwr.server import ServerApp
    from flwr.simulation import run_simulation

    started = time.time()
    run_simulation(
        server_app=ServerApp(server_fn=server),
        client_app=ClientApp(client_fn=client),
        num_supernodes=COUNT,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )
    outcomes = [json.loads(path.read_text()) for path in NOTES.iterdir()]
    print(
        json.dumps(
            {
                "accuracy": {k: v for outcome in outcomes for k, v in outcome["accuracy"].items()},
                "span_s": max(o["ended"] for o in outcomes) - min(o["began"] for o in outcomes),
            }
        )
    )
