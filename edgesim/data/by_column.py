"""Natural partition: a column of the data set, the person say, decides which device has a sample."""

from __future__ import annotations

import heapq
from typing import Literal

import numpy as np

from edgesim.config.validation import nearest
from edgesim.data.columns import Column
from edgesim.data.dataset import Dataset
from edgesim.data.reading_notes import as_utf8, some
from edgesim.data.shards import Shards
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.work import IntArray

Deal = Literal["balanced", "random"]


def by_column(
    dataset: Dataset, column: str, n_devices: int, seed: int, deal: Deal = "balanced", split_users: bool = False
) -> Shards:
    """Give every device the samples of one user, of several whole users, or of a part of one.

    A user is a value of the column that training samples have. As many devices as users: device i has the i-th user, in
    the order of `Column.of`, whatever the seed.

    Args:
        dataset: with the column.
        column: its name.
        n_devices: devices of the fleet.
        seed: of the deal.
        deal: of more users than devices. "balanced": the user with most samples first, each to the device with fewest
            so far. "random": to within one as many users for every device.
        split_users: where there are more devices than users, several devices share a user's samples at random.

    Raises:
        DataError: no such column; more devices than users without `split_users`.
    """
    users, tests = _named(dataset, column), dataset.test_columns.get(column)
    codes, sizes = np.unique(users.codes, return_counts=True)
    rng = np.random.default_rng(seed)
    if n_devices > len(codes) and not split_users:
        raise DataError(_too_few(dataset, column, codes, n_devices))
    by_user = _by_code(users.codes, codes)
    if n_devices > len(codes):
        parts, held = _split(by_user, n_devices, rng)
    else:
        device = _dealt(sizes, n_devices, rng, deal)
        held = [np.flatnonzero(device == one) for one in range(n_devices)]
        parts = [np.concatenate([by_user[place] for place in mine]) for mine in held]
    names = [users.names[code] for code in codes.tolist()]
    own_tests = () if tests is None else _own_tests(tests, [[names[place] for place in mine] for mine in held])
    rows = tuple(np.sort(part).astype(np.int64) for part in parts)
    return Shards(rows, users, own_tests, _notes(dataset, column, names, own_tests))


def _named(dataset: Dataset, column: str) -> Column:
    """The column of the training split; DataError where the data set has none of this name."""
    known = dataset.train_columns
    if column in known:
        found: Column = known[column]
        return found
    if not known:
        raise DataError(
            f"{dataset.name} has no column '{column}', and no other column either; read data that name their users, or "
            f"choose another partition"
        )
    listed = ", ".join(f"'{name}'" for name in known)
    raise DataError(f"{dataset.name} has no column '{column}'; its columns: {listed}{nearest(column, known)}")


def _too_few(dataset: Dataset, column: str, codes: IntArray, n_devices: int) -> str:
    """Message for a fleet with more devices than users."""
    without = _without(dataset, column, [dataset.train_columns[column].names[code] for code in codes.tolist()])
    most = n_of(len(codes), "device")
    text = f"{n_of(n_devices, 'device')} for {n_of(len(codes), 'user')} (values of column '{column}' with training "
    text += f"samples); use at most {most}, or split_users: true, which deals a user's samples to several devices"
    if without:
        text += f". {n_of(len(without), 'value has', 'values have')} no training samples, as those "
        text += f"of test users and those that dataset.limit_train leaves out: {some(without)}"
    return text


def _by_code(codes: IntArray, wanted: IntArray) -> list[IntArray]:
    """Rows of each code in `wanted` (sorted), in their order."""
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], wanted, side="left")
    ends = np.searchsorted(codes[order], wanted, side="right")
    return [order[start:end] for start, end in zip(starts, ends, strict=True)]


def _dealt(sizes: IntArray, n_devices: int, rng: np.random.Generator, deal: Deal) -> IntArray:
    """[U] device of each user, for at least as many users as devices; every device gets one or more."""
    count = len(sizes)
    if count == n_devices:
        return np.arange(count)
    order, numbers = rng.permutation(count), rng.permutation(n_devices)  # so that no device is the first of all seeds
    device = np.empty(count, dtype=np.int64)
    if deal == "random":
        device[order] = numbers[np.arange(count) % n_devices]
        return device
    order = order[np.argsort(-sizes[order], kind="stable")]
    loads = [(0, place) for place in range(n_devices)]
    for user in order.tolist():
        load, place = loads[0]
        device[user] = numbers[place]
        heapq.heapreplace(loads, (load + int(sizes[user]), place))
    return device


def _split(by_user: list[IntArray], n_devices: int, rng: np.random.Generator) -> tuple[list[IntArray], list[IntArray]]:
    """Parts of users for more devices than users, and the user of each device.

    Every user has a device. Each further device goes to the user with most samples per device.
    """
    counts = [1] * len(by_user)
    waiting = [(-float(len(rows)), user) for user, rows in enumerate(by_user)]
    heapq.heapify(waiting)
    for _ in range(n_devices - len(by_user)):
        _, user = waiting[0]
        counts[user] += 1
        heapq.heapreplace(waiting, (-len(by_user[user]) / counts[user], user))
    parts: list[IntArray] = []
    held: list[IntArray] = []
    for user, (rows, count) in enumerate(zip(by_user, counts, strict=True)):
        parts += np.array_split(rng.permutation(rows), count)
        held += [np.array([user])] * count
    return parts, held


def _own_tests(tests: Column, held: list[list[str]]) -> tuple[IntArray | None, ...]:
    """Per device the test samples of its users, by name; None where they have none. Empty where no device has any."""
    there, codes = {name: code for code, name in enumerate(tests.names)}, np.arange(len(tests.names))
    by_user = _by_code(tests.codes, codes)
    found: list[IntArray | None] = []
    for names in held:
        own = [by_user[there[name]] for name in names if name in there]
        rows = np.sort(np.concatenate(own)) if own else np.zeros(0, np.int64)
        found.append(rows.astype(np.int64) if len(rows) else None)
    return tuple(found) if any(rows is not None for rows in found) else ()


def _without(dataset: Dataset, column: str, used: list[str]) -> list[str]:
    """Values of a column, in either split, that no training sample has."""
    tests = dataset.test_columns.get(column)
    every = dict.fromkeys([*dataset.train_columns[column].names, *(tests.names if tests else ())])
    return [name for name in every if name not in set(used)]


def _notes(dataset: Dataset, column: str, used: list[str], own_tests: tuple[IntArray | None, ...]) -> tuple[str, ...]:
    """Sentences on values without training samples, and on devices without test samples of their own."""
    notes, without = [], _without(dataset, column, used)
    if without:
        text = f"column '{column}': {n_of(len(without), 'value has', 'values have')} no training samples and so no "
        notes.append(as_utf8(f"{text}device: {some(without)}"))
    lacking = sum(rows is None for rows in own_tests)
    if lacking:
        has = f"{lacking:,} of {n_of(len(own_tests), 'device')} {'has' if lacking == 1 else 'have'}"
        notes.append(f"{has} no test samples of {'its' if lacking == 1 else 'their'} own users")
    return tuple(notes)
