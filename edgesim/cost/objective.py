"""Rules for keep ratios: the largest subset within a budget, or the best by the paper's Eq. 14; for many devices.

Both work on subset sizes m = 1 … n, never on ratios: a ratio means the same subset as the m that it rounds to. Both
choose among the sizes that the device can do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.cost.analytic import MOST_WEIGHT, CostWeights, device_cost
from edgesim.cost.context import Price
from edgesim.cost.feasibility import LIMITS
from edgesim.work import FloatArray, IntArray

_Positive = Field(gt=0, allow_inf_nan=False)
Share = Annotated[float, Field(gt=0, le=1)]
Accuracy = Annotated[float, Field(ge=0, le=1)]

GRID = 1000
"""subset sizes that are priced at once, over all devices, where each has to be priced by itself"""
ROWS = 1 << 15
"""the same where they are priced together"""
BINDS = (*LIMITS, "latency_s", "energy_j", "storage_bytes")
"""limits that may bind, by position: none, those of the device, those of a budget"""
RiskWeights = Literal["data", "equal"]
TestSet = Literal["common", "own"]
TEST_SETS: dict[TestSet, str] = {"common": "the common test set", "own": "the devices' own test samples"}
"""set of test samples -> its name in sentences"""
OTHER_SET: dict[TestSet, TestSet] = {"common": "own", "own": "common"}
UNITS = {"latency_s": "s", "energy_j": "J", "storage_bytes": "bytes"}


@checked_dataclass()
class Budget(Bounded):
    """The largest ratio whose total cost (scoring, selection and training) keeps within every limit given."""

    energy_j: Annotated[float, _Positive, PlausibleRange(1e-9, 1e12, "J")] | None = None
    """energy that a trial may take, in J; left out: no limit"""
    latency_s: Annotated[float, _Positive, PlausibleRange(1e-9, 1e10, "s")] | None = None
    """time that a trial may take, in s; left out: no limit"""
    storage_bytes: Annotated[float, _Positive, PlausibleRange(1.0, 1e15, "bytes")] | None = None
    """storage that the kept samples may take, in bytes; left out: no limit"""
    price: Price = "emulated"
    """price that the limits are checked against: emulated device, or closed form (analytic)"""


@checked_dataclass()
class Objective(Bounded):
    """The ratio with the least risk + lambda x J (edge paper, Eqs. 13-14)."""

    trade_off: Annotated[float, Field(ge=0, le=MOST_WEIGHT), PlausibleRange(0.0, 1e6)]
    """factor on the cost J, which is weighed against the expected error"""
    weights: CostWeights | None = None
    """weights of J; left out: those of the scenario's `cost`"""
    accuracy_curve: Annotated[tuple[tuple[Share, Accuracy], ...], Field(min_length=2)] | None = None
    """[ratio, accuracy] points, ratios rising, the same for every method; give this or `accuracy_from`"""
    accuracy_from: str | None = None
    """run folder whose test accuracies make each method's curve; give this or `accuracy_curve`. Of an error, the risk
    is its value divided by that of full training"""
    price: Price = "emulated"
    """price that gives time and energy of J: emulated device, or closed form (analytic)"""
    weights_of_devices: RiskWeights = "data"
    """weights of the devices' risks: by the samples that each holds (data; Eqs. 10 and 12), or all the same (equal)"""
    accuracy_on: TestSet = "common"
    """test samples of the run of `accuracy_from` that count: the common test set, or the devices' own ones (own)"""


Rule = Budget | Objective


def risk_weights(sizes: npt.ArrayLike, by: RiskWeights) -> FloatArray:
    """The weight w_k of each device's risk in its term of Eq. 14, w_k·risk_k + lambda·J_k.

    The aggregate risk weights devices by their shares of the data (Eqs. 10, 12), n_k / sum of n. Here the shares are
    scaled to a mean of 1, w_k = K·n_k / sum of n. So the sum over devices stays in proportion, and lambda keeps its
    meaning whatever the number of devices. With equal shards all weigh 1.

    Args:
        sizes: [K] shard sizes of one fleet, >= 1.
        by: `data`, or `equal` for all 1.

    Returns: float64 [K].
    """
    held = np.asarray(sizes, dtype=np.float64)
    return np.ones(len(held)) if by == "equal" else held / held.mean()


class SubsetCost(NamedTuple):
    """Total cost of subset sizes. Arrays [C]."""

    time_s: FloatArray
    energy_j: FloatArray
    storage_bytes: FloatArray
    limit: IntArray | int = 0
    """position in BINDS of the device's own limit that is broken; 0 = none"""


CostFunction = Callable[[IntArray, IntArray], SubsetCost]
"""positions of devices [C] and subset sizes [C] -> cost of each"""


class LargestSubset(NamedTuple):
    """Largest subsets within a budget, of P devices. Arrays [P]."""

    m: IntArray
    """the largest subset that fits; 0 = not even one sample does"""
    binds: IntArray
    """position in BINDS of the limit that a subset one larger breaks; 0 where all samples fit"""
    value: FloatArray
    """cost of that subset against the binding limit of the budget; NaN for a limit of the device"""


def largest_that_fits(n: IntArray, costs: CostFunction, budget: Budget, rows: int = ROWS) -> LargestSubset:
    """The largest subset size within a budget that the device can do.

    Costs are assumed to grow with m. Where all sizes of a device are priced the result is exact even if they do not:
    so it is for one device with at most `rows` samples.

    Args:
        n: [P] shard sizes, >= 1.
        costs: of subset sizes.
        budget: the limits.
        rows: subset sizes that are priced at once, over all devices; at least one per device.
    """
    low, high = np.zeros(len(n), dtype=np.int64), n + 1  # the largest known to fit, the smallest known not to
    probes = max(1, rows // max(len(n), 1))
    while (open_ := np.flatnonzero(high - low > 1)).size:
        gap = (high - low)[open_]
        count = np.minimum(gap - 1, _probes(int(gap.max()), probes))
        device = np.repeat(open_, count)
        place = np.arange(len(device)) - np.repeat(np.cumsum(count) - count, count) + 1
        m = low[device] + (high - low)[device] * place // np.repeat(count + 1, count)
        fits = _within(costs(device, m), budget)
        np.maximum.at(low, device[fits], m[fits])
        beyond = ~fits & (m > low[device])
        np.minimum.at(high, device[beyond], m[beyond])
    larger = np.flatnonzero(low < n)
    binds, value = np.zeros(len(n), dtype=np.int64), np.full(len(n), np.nan)
    if larger.size:
        binds[larger], value[larger] = _binding(costs(larger, low[larger] + 1), budget)
    return LargestSubset(low, binds, value)


class ObjectiveOptimum(NamedTuple):
    """Best subsets by the objective, of P devices. Arrays [P]."""

    m: IntArray
    value: FloatArray
    """w risk + lambda J at m; inf where the device can do no size"""
    binds: IntArray
    """position in BINDS of the device's limit that excludes the size with the least value; 0 = none"""


class DeviceData(NamedTuple):
    """Inputs of the objective, of P devices. Arrays [P]."""

    n: IntArray
    """shard sizes, >= 1"""
    full: SubsetCost
    """plain training on all n samples"""
    risk_weight: FloatArray | float = 1.0
    """w (`risk_weights`)"""

    def value(
        self, at: tuple[IntArray, IntArray], cost: SubsetCost, curve: FloatArray, rule: Objective, weights: CostWeights
    ) -> FloatArray:
        """[C] w risk + lambda J of subsets.

        Args:
            at: positions of devices [C] and subset sizes [C].
            cost: of these subsets.
            curve: [points, 2] ratio and accuracy, ratios ascending.
            rule: lambda.
            weights: of J.
        """
        device, m = at
        whole = (self.full.time_s[device], self.full.energy_j[device], self.full.storage_bytes[device])
        ratios = [part / total for part, total in zip(cost[:3], whole, strict=True)]
        risk = 1.0 - np.interp(m / self.n[device], curve[:, 0], curve[:, 1])
        risk_weight = np.broadcast_to(self.risk_weight, self.n.shape)[device]
        return np.asarray(risk_weight * risk + rule.trade_off * device_cost(weights, *ratios))


def least_objective(
    devices: DeviceData,
    costs: CostFunction,
    curve: npt.ArrayLike,
    rule: Objective,
    weights: CostWeights,
    jumps: int = 0,
) -> ObjectiveOptimum:
    """The subset size with the least w risk + lambda J (Eqs. 13-14) that the device can do; of equal ones the smallest.

    Risk is 1 - accuracy, the accuracy linear between the points of the curve. Nothing is known beyond them, so only
    ratios between the first and the last point are candidates. The sum over devices of Eq. 14 has one term per device
    and no common constraint, so every device is solved by itself. A device that can do no size gets the one that would
    be best if it could.

    Args:
        devices: P of them.
        costs: of subset sizes.
        curve: [points, 2] ratio and accuracy, ratios ascending.
        rule: lambda.
        weights: of J.
        jumps: B where costs are linear from one multiple of B to the next (training in batches). The least value then
            lies at such a size or where the curve bends. 0 = any size may be the best: GRID of them are priced, then
            those around the best.
    """
    n = devices.n
    points = np.asarray(curve, dtype=np.float64)
    low = np.minimum(np.maximum(np.ceil(np.round(points[0, 0] * n, 9)).astype(np.int64), 1), n)
    high = np.maximum(np.floor(np.round(points[-1, 0] * n, 9)).astype(np.int64), low)

    def values(device: IntArray, m: IntArray) -> tuple[FloatArray, IntArray]:
        """Weighted risk + lambda J, and the limit of the device."""
        cost = costs(device, m)
        found = devices.value((device, m), cost, points, rule, weights)
        return found, np.broadcast_to(cost.limit, len(m)).astype(np.int64)

    device, m = _candidates(n, low, high, points[:, 0], jumps)
    found, limit = values(device, m)
    able = np.where(limit == 0, found, np.inf)
    best, ideal = _least(device, able), _least(device, found)
    # Where the device can do nothing, take the best size if it could.
    none = np.isinf(able[best])
    best = np.where(none, ideal, best)
    last = len(m) - 1
    before, after = np.maximum(best - 1, 0), np.minimum(best + 1, last)
    first = np.where(device[before] == device[best], m[before], m[best])
    final = np.where(device[after] == device[best], m[after], m[best])
    device_near, m_near = _ranges(first, final)
    found_near, limit_near = values(device_near, m_near)
    able_near = np.where((limit_near == 0) | none[device_near], found_near, np.inf)
    place = _least(device_near, able_near)
    chosen, value = m_near[place], np.where(none, np.inf, able_near[place])
    # A smaller value beyond the device's limits: the limit there binds.
    better = found[ideal] < value
    return ObjectiveOptimum(chosen, value, np.where(better, limit[ideal], 0))


def _candidates(n: IntArray, low: IntArray, high: IntArray, bends: FloatArray, jumps: int) -> tuple[IntArray, IntArray]:
    """First candidates: positions of devices [C] and subset sizes [C], in order of both."""
    each = np.arange(len(n))
    if jumps:
        device, block = _ranges(low // jumps, high // jumps)
        sizes = [(device, block * jumps), (device, block * jumps + 1)]
    else:
        grid = np.linspace(low, high, GRID, axis=1).round().astype(np.int64)
        sizes = [(np.repeat(each, GRID), grid.ravel())]
    sizes += [(each, low), (each, high)]
    # Where the curve bends the least may lie between two sizes.
    sizes += [(each, rounded(bend * n).astype(np.int64)) for bend in bends for rounded in (np.floor, np.ceil)]
    device, m = (np.concatenate(part) for part in zip(*sizes, strict=True))
    inside = (m >= low[device]) & (m <= high[device])
    span = int(n.max()) + 1
    return np.divmod(np.unique(device[inside] * span + m[inside]), span)


def _ranges(first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
    """Whole numbers from first[p] to last[p], both included, for every p: p [C], and the number [C]."""
    count = last - first + 1
    device = np.repeat(np.arange(len(first)), count)
    return device, np.arange(len(device)) - np.repeat(np.cumsum(count) - count, count) + first[device]


def _least(device: IntArray, values: FloatArray) -> IntArray:
    """[P] position of each device's least value, the first of equal ones; all devices occur, in order."""
    starts = np.searchsorted(device, np.arange(device[-1] + 1))
    least = np.minimum.reduceat(values, starts)
    found = np.flatnonzero(values == least[device])
    return np.asarray(found[np.searchsorted(device[found], np.arange(len(starts)))])


def _probes(gap: int, most: int) -> int:
    """Sizes to price between two that are `gap` apart: all, or the fewest that need as few rounds as `most`."""
    if gap - 1 <= most:
        return gap - 1
    rounds = int(np.ceil(np.log(gap) / np.log(most + 1)))
    return min(max(int(np.ceil(gap ** (1 / rounds))) - 1, 1), most)


def _within(cost: SubsetCost, budget: Budget) -> npt.NDArray[np.bool_]:
    """[C] True where a cost is within every given limit and the device can do the trial."""
    fits = [values <= limit for limit, values in _limits(cost, budget).values()]
    return np.asarray(np.logical_and.reduce([*fits, np.broadcast_to(np.equal(cost.limit, 0), cost.time_s.shape)]))


def _limits(cost: SubsetCost, budget: Budget) -> dict[str, tuple[float, FloatArray]]:
    """Name -> limit, and the part of the cost that counts against it."""
    taken = {"latency_s": cost.time_s, "energy_j": cost.energy_j, "storage_bytes": cost.storage_bytes}
    limits = {name: getattr(budget, name) for name in taken}
    return {name: (limit, taken[name]) for name, limit in limits.items() if limit is not None}


def beyond(cost: SubsetCost, budget: Budget) -> tuple[IntArray, FloatArray]:
    """Limit of a budget that each cost exceeds by the largest factor.

    Args:
        cost: [C] total costs, of any subsets.
        budget: the limits.

    Returns: [C] position in BINDS of that limit, 0 where the cost is within all of them; and the part of the cost that
        counts against it, NaN where none is exceeded.
    """
    codes, taken = _binding(cost, budget)
    within = _within(cost, budget)
    return np.where(within, 0, codes), np.where(within, np.nan, taken)


def _binding(cost: SubsetCost, budget: Budget) -> tuple[IntArray, FloatArray]:
    """[C] position in BINDS of the limit that each cost exceeds most, and its value; the device's own limits first."""
    limits = _limits(cost, budget)
    with np.errstate(over="ignore"):  # a limit of next to nothing is exceeded without end
        ratios = np.stack([taken / limit for limit, taken in limits.values()])
    worst = ratios.argmax(axis=0)
    codes = np.array([BINDS.index(name) for name in limits])[worst]
    taken = np.stack([taken for _, taken in limits.values()])[worst, np.arange(len(worst))]
    own = np.broadcast_to(cost.limit, codes.shape)
    return np.where(own > 0, own, codes), np.where(own > 0, np.nan, taken)
