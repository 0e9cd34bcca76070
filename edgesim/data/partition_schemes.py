"""The table of partition schemes: name in the YAML -> its arguments, checked when the scenario loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field, model_validator

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.document_bounds import find_file
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.data import index_lists, partition
from edgesim.data.by_column import Deal, by_column
from edgesim.data.columns import Column
from edgesim.data.dataset import Dataset
from edgesim.data.reading_notes import as_utf8
from edgesim.data.shards import Shards
from edgesim.errors import DataError, Fault
from edgesim.formatting import n_of
from edgesim.work import IntArray

Count = Annotated[int, Field(ge=1, le=10**12), PlausibleRange(1, 10**9)]


class PartitionScheme(Protocol):
    """Interface of a partition scheme by labels, in the table or a user's own: a frozen dataclass with this method."""

    def split(self, labels: IntArray, n_devices: int, seed: int) -> list[IntArray]:
        """Divide the training split.

        Args:
            labels: int64 [N], the training labels.
            n_devices: devices of the fleet.
            seed: of every random choice.

        Returns: one sorted int64 index array per device.
        """


class DatasetPartition(Protocol):
    """Interface of a partition scheme that needs more than labels: a frozen dataclass with this method."""

    def split_dataset(self, dataset: Dataset, n_devices: int, seed: int, folder: Path) -> Shards:
        """Divide the training split.

        Args:
            dataset: the data, columns included.
            n_devices: devices of the fleet.
            seed: of every random choice.
            folder: of the scenario, where relative names of files start.
        """


@checked_dataclass()
class Iid(Bounded):
    """Equal shards at random: every device sees every class."""

    min_size: Count = 1
    """samples that every device gets at least; a partition that cannot give them is refused"""

    def split(self, labels: IntArray, n_devices: int, seed: int) -> list[IntArray]:
        """As `partition.iid`."""
        return partition.iid(labels, n_devices, seed, self.min_size)


@checked_dataclass()
class Dirichlet(Bounded):
    """Label skew: class proportions per device from a Dirichlet distribution, as flwr-datasets draws them."""

    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-4, 1e6)]
    """concentration; small: each class on few devices, large: near IID"""
    min_size: Count = 10
    """draw again until every shard has this many samples; not used with `sizes`"""
    self_balancing: bool = False
    """a device that holds more than the average gets nothing of later classes"""
    sizes: Count | Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    """samples per device: one number for all, or one per device; with it, samples may be left over"""

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Faults between the fields of a document's map."""
        if given.get("sizes") is None or given.get("self_balancing") is not True:
            return []
        return [Fault("", "sizes and self_balancing exclude each other: sizes leave nothing to balance")]

    def split(self, labels: IntArray, n_devices: int, seed: int) -> list[IntArray]:
        """As `partition.dirichlet`, or `partition.dirichlet_sized` where sizes are given."""
        if self.sizes is None:
            parts = partition.dirichlet(labels, n_devices, self.alpha, seed, self.min_size, self.self_balancing)
            # The order within a shard has no meaning here, and "ties to the lower index" must mean one thing.
            return [np.sort(part) for part in parts]
        sizes = [self.sizes] * n_devices if isinstance(self.sizes, int) else list(self.sizes)
        _same_count("sizes", len(sizes), n_devices)
        return partition.dirichlet_sized(labels, sizes, self.alpha, seed)


@checked_dataclass()
class Pathological(Bounded):
    """Label skew: every device holds samples of a few classes only."""

    classes_per_device: Count
    """classes that each device holds"""
    min_size: Count = 1
    """samples that every device gets at least; a partition that cannot give them is refused"""

    def split(self, labels: IntArray, n_devices: int, seed: int) -> list[IntArray]:
        """As `partition.pathological`."""
        return partition.pathological(labels, n_devices, self.classes_per_device, seed, self.min_size)


@checked_dataclass()
class QuantitySkew(Bounded):
    """Quantity skew: shards of very different sizes with the same class mix."""

    distribution: Literal["log-normal", "power-law"] = "log-normal"
    """distribution of the shard sizes"""
    sigma: Annotated[float, Field(ge=0, le=10)] = 1.0
    """spread of the log-normal sizes; 0: equal"""
    exponent: Annotated[float, Field(ge=0, le=10)] = 1.0
    """the r-th largest device holds a share in proportion to r ** -exponent (power-law); 0: equal"""
    min_size: Count = 1
    """samples that every device gets at least; a partition that cannot give them is refused"""

    def split(self, labels: IntArray, n_devices: int, seed: int) -> list[IntArray]:
        """As `partition.quantity`."""
        return partition.quantity(labels, n_devices, seed, self.distribution, self.sigma, self.exponent, self.min_size)


@checked_dataclass()
class Explicit:
    """A matrix that says which share of each class every device gets."""

    shares: Annotated[tuple[tuple[Annotated[float, Field(ge=0, le=1)], ...], ...], Field(min_length=1)]
    """one row per device, one column per class; a column sums to at most 1"""

    @model_validator(mode="after")
    def _is_a_matrix(self) -> Explicit:
        first = len(self.shares[0])
        odd = next((i for i, row in enumerate(self.shares) if len(row) != first), None)
        if odd is not None:
            has = f"shares[{odd}] has {len(self.shares[odd])} numbers, shares[0] has {first}"
            raise ValueError(f"{has}; every row needs one number per class")
        over = np.flatnonzero(np.sum(self.shares, axis=0) > 1 + 1e-9)
        if len(over):
            raise ValueError(f"the shares of class {over[0]} sum to more than 1; lower them")
        return self

    def split(self, labels: IntArray, n_devices: int, seed: int) -> list[IntArray]:
        """As `partition.explicit`."""
        _same_count("shares", len(self.shares), n_devices)
        return partition.explicit(labels, np.array(self.shares), seed)


@checked_dataclass()
class ByColumn:
    """Natural: a column of the data set, such as the person, decides; a user is one of its values."""

    column: Annotated[str, Field(min_length=1)]
    """column of the data set, for example subject; as many devices as users: each has one, in the order of the names"""
    deal: Deal = "balanced"
    """of more users than devices, whole users: to the device with fewest samples so far, or at random, as many users
    for every device"""
    split_users: bool = False
    """more devices than users: deal each user's samples at random to several devices; false: refuse such a fleet"""

    def split_dataset(self, dataset: Dataset, n_devices: int, seed: int, folder: Path) -> Shards:
        """As `by_column.by_column`."""
        return by_column(dataset, self.column, n_devices, seed, self.deal, self.split_users)


@checked_dataclass()
class FromFile:
    """Index lists per device from a file, as tools for federated learning write them."""

    file: Annotated[str, Field(min_length=1)]
    """JSON, text of a Python dict, or npz; relative to the scenario, or to where edgesim runs"""

    def path(self, folder: Path) -> Path:
        """The file, for a scenario in `folder`.

        Raises:
            DataError: it is not there.
            ScenarioError: it is no path.
        """
        found, tried = find_file(self.file, folder, "partition.file")
        if found is None:
            raise DataError(f"file '{self.file}' does not exist (looked for {tried}); name the file with index lists")
        return found

    def split_dataset(self, dataset: Dataset, n_devices: int, seed: int, folder: Path) -> Shards:
        """The lists of the file, the same for all seeds; users where it names them."""
        path, count = self.path(folder), len(dataset.train_labels)
        lists = index_lists.read(path, count)
        index_lists.check(lists, n_devices, count, path)
        users = None
        if lists.names:
            codes = np.zeros(count, dtype=np.int64)
            for device, rows in enumerate(lists.rows):
                codes[rows] = device
            users = Column(codes, lists.names)
        left = count - sum(map(len, lists.rows))
        notes = (f"{as_utf8(path.name)}: {n_of(left, 'training sample')} of {count:,} on no device",) if left else ()
        return Shards(tuple(np.sort(rows) for rows in lists.rows), users, notes=notes)


PARTITIONS: dict[str, type] = {
    "iid": Iid,
    "dirichlet": Dirichlet,
    "pathological": Pathological,
    "quantity": QuantitySkew,
    "explicit": Explicit,
    "by-column": ByColumn,
    "from-file": FromFile,
}


def describe(name: str) -> str:
    """One line on a scheme of the table, for `edgesim list partitions`."""
    return (PARTITIONS[name].__doc__ or "").strip().splitlines()[0]


def _same_count(what: str, given: int, n_devices: int) -> None:
    if given != n_devices:
        raise DataError(
            f"partition.{what} is for {n_of(given, 'device')}, the fleet has {n_devices:,}; give one entry per device"
        )
