"""Small data and scenarios that many tests share. Everything random comes from named streams here, too."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgesim.data.datasets import Dataset
from edgesim.runtime import SerialExecutor, scheduler
from edgesim.runtime.scheduler import JobQueue
from edgesim.scenario import loading as scenarios
from edgesim.scenario.loading import Scenario

if TYPE_CHECKING:
    from shared_ray import SharedRay
    from warm import Server

ROOT = Path(__file__).parents[1]

DOCUMENT: dict[str, Any] = {
    "name": "tiny",
    "dataset": "digits",
    "partition": {"name": "dirichlet", "alpha": 0.5},
    "fleet": {"groups": [{"profile": "raspberry-pi-4b", "count": 2}, {"profile": "jetson-nano", "count": 1}]},
    "model": {"name": "mlp", "hidden": [16]},
    "training": {"epochs": 2, "batch_size": 32},
    "pruning": {"methods": ["full", "random", "importance"], "keep_ratio": [0.2, 1.0]},
    "seeds": [0],
}


RUN_INFO: dict[str, Any] = {
    "scenario": "tiny", "scenario_folder": ".", "status": "running", "devices": 1, "trials": {"total": 1},
}  # fmt: skip
"""the least that run.json holds"""

LONGEST_FIRST = (
    "test_page_browser", "test_run", "test_compare", "test_docs", "test_hosts", "test_calibration", "test_cli",
    "test_report", "test_print_figures", "test_trackers", "test_stops", "test_adapruner_study", "test_sweeps",
    "test_expected_cost", "test_planning", "test_strangers", "test_truth", "test_tune",
    "test_host_calibration", "test_stacked", "test_pictures", "test_repeats", "test_verdict",
    "test_datasets", "test_fuzz", "test_moving", "test_repricing", "test_cluster",
    "test_equal_cost_page", "test_adapruner", "test_shipped_pages", "test_rules", "test_task_metrics", "test_outcome",
    "test_models", "test_training_memory", "test_shipped", "test_ranked_samples", "test_verification",
    "test_scenario", "test_single_ratio", "test_own_test_samples", "test_figures", "test_tables",
    "test_edge_paper_study", "test_intervals", "test_data_notes", "test_emulator", "test_run_identity",
    "test_detection_counts", "test_operations", "test_paper_output", "test_meta_outputs", "test_export", "test_auto",
    "test_answers", "test_methods_dynamics", "test_predict_job", "test_detection_run", "test_transfer",
    "test_data_bounds", "test_profiles", "test_array_columns", "test_huggingface", "test_layering", "test_workload",
    "test_detection_models", "test_runs_at_a_glance",
)  # fmt: skip
"""files of many seconds: begun first, so that no worker is left with one when the others have ended"""


def pytest_configure() -> None:
    """Settings of this process and of all that it starts, before any of them takes much time.

    Garbage is collected as seldom as `edgesim run` does: Python's own thresholds take a tenth of the suite's time.
    OpenBLAS uses one thread: the tests' workers have a core each, and a second thread waits for it in a busy loop.
    """
    gc.set_threshold(50_000, 20, 20)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when a process imports NumPy


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let each worker begin its imports with another part of the tests.

    In a new clone pytest rewrites the assertions of every file, which takes 6 s of a core. So each worker compiles its
    part, and reads what the others have compiled. Where files are named, collection alone imports them.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    names = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
    first = int(worker["workerid"].removeprefix("gw")) * len(names) // worker["workercount"]
    for name in (*names[first:], *names[:first]):
        with contextlib.suppress(ImportError, pytest.skip.Exception):  # collection meets and reports it
            importlib.import_module(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; within a file the order stays (`--no-loadscope-reorder` keeps all of it)."""
    rank = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


class Stopping(SerialExecutor):
    """Ends like a killed process after some jobs."""

    def __init__(self, after: int):
        super().__init__()
        self._after = after

    def stream(self, queue: JobQueue) -> Iterator[tuple[Any, Any]]:
        for done, pair in enumerate(super().stream(queue)):
            if done == self._after:
                raise KeyboardInterrupt
            yield pair


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Decoded data and counted networks go to a folder of this test run, which its workers share."""
    given, own = os.environ.get("EDGESIM_CACHE"), tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own  # a worker's folder is within the run's
    os.environ["EDGESIM_CACHE"] = given or str(shared / "cache")
    yield
    if given is None:
        del os.environ["EDGESIM_CACHE"]


@pytest.fixture(scope="session")
def warm() -> Iterator[Server]:
    """Forks processes that have imported edgesim; one per worker that needs it."""
    from warm import Server

    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _shared_ray(warm: Server) -> Iterator[SharedRay]:
    from shared_ray import SharedRay

    shared = SharedRay(warm)
    yield shared
    shared.stop()


@pytest.fixture
def ray_started(_shared_ray: SharedRay) -> None:
    """Ray runs in this process; executors use it and leave it running."""
    _shared_ray.start()


@pytest.fixture
def without_ray(_shared_ray: SharedRay) -> None:
    """No Ray runs in this process."""
    _shared_ray.stop()


@pytest.fixture
def make_scenario(tmp_path: Path) -> Callable[..., Scenario]:
    """A scenario of two Raspberry Pis and a Jetson on digits, with overrides."""

    def make(**overrides: Any) -> Scenario:
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        return scenarios.from_document(DOCUMENT, "tiny.yaml", tmp_path, dotted)

    return make


def blobs(n: int = 60, classes: int = 3, size: int = 8, seed: int = 0, test: int = 30) -> Dataset:
    """Easily told classes: class c lights up its own rows, with noise."""
    rng = np.random.default_rng(seed)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % classes
        images = rng.integers(0, 60, size=(count, size, size, 1), dtype=np.uint8)
        for c in range(classes):
            images[labels == c, c * 2 : c * 2 + 2] += 150
        return images, labels.astype(np.int64)

    train, held_out = draw(n), draw(test)
    return Dataset("blobs", *train, *held_out, class_names=tuple(f"class {c}" for c in range(classes)))


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring and every training are jobs of their own, handed out alone, as on devices that are not tiny."""
    monkeypatch.setattr(scheduler, "SHORT_FLOPS", 0.0)
    monkeypatch.setattr(scheduler, "BUNDLE_FLOPS", 0.0)
