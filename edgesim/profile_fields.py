"""The fields of a device profile: every number with unit (in its field's name), source, confidence and range.

A range is wide: it holds every real device from a microcontroller to a server, and exists to catch unit
mistakes (GFLOP/s where FLOP/s belong). Import from `profiles`, which reads and checks the files. A field that
is added here is read, checked, and part of the JSON Schema.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError, core_schema

from edgesim.conditions import FULL_MODE

Confidence = Literal["measured", "looked-up", "derived", "estimate"]
"""measured: on this device, by whoever `source` names. looked-up: a data sheet or a published table.
derived: computed from such values, as `source` shows. estimate: from memory, a similar device, or a guess."""

DeviceClass = Literal["mcu", "sbc-cpu", "jetson-gpu", "phone", "edge-box", "laptop", "edge-server"]
GPU_CLASSES = ("jetson-gpu", "edge-server")
"""classes whose devices compute on a GPU; its clock is what their power modes set"""

Words = Annotated[str, Field(min_length=1)]
V = TypeVar("V")
_STRICT = ConfigDict(extra="forbid")


@dataclasses.dataclass(frozen=True)
class Within:
    """A plausible range of a number, both ends included, and the unit mistakes that explain other values.

    Args:
        low, high: the range, in `unit`.
        unit: for the message.
        mistakes: (unit that the value looks like, factor to `unit`), the likeliest first.
    """

    low: float
    high: float
    unit: str
    mistakes: tuple[tuple[str, float], ...] = ()

    def problem(self, value: float) -> str:
        """What is wrong with `value` and how to mend it, or an empty string."""
        if math.isfinite(value) and self.low <= value <= self.high:
            return ""
        problem = f"{value:g} is not plausible: allowed is {self.low:g} to {self.high:g} {self.unit}"
        for unit, factor in self.mistakes:
            if self.low <= value * factor <= self.high:
                return f"{problem}; it looks like {unit}: multiply by {factor:g}, which gives {value * factor:g}"
        return problem

    def check(self, value: float) -> float:
        """`value` itself where it is plausible; raises the error that pydantic reports otherwise."""
        if problem := self.problem(value):
            raise PydanticCustomError("implausible", "{problem}", {"problem": problem})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"minimum": self.low, "maximum": self.high, "description": f"in {self.unit}"}


@dataclass(frozen=True, config=_STRICT)
class Quantity(Generic[V]):
    """One number of a profile and where it comes from. Its unit is the suffix of the field that holds it."""

    value: V
    source: Words
    """who says so: a data sheet, a repository and commit, a formula, or what an estimate rests on"""
    confidence: Confidence
    note: str | None = None
    """what a user of the number should know"""
    relative_error: Annotated[float, Field(ge=0)] | None = None
    """of a fitted number: mean absolute error over the measured value, where the model that it belongs to predicts
    measurements that were held out of the fit; 0.1 is 10 %"""


_BYTES = (("GB", 1e9), ("MB", 1e6), ("KB", 1e3))
_BYTES_PER_S = (("MB/s", 1e6), ("GB/s", 1e9))

_FLOPS = (("GFLOP/s", 1e9), ("MFLOP/s", 1e6), ("TFLOP/s", 1e12))
Peak = Quantity[Annotated[float, Within(1e4, 1e16, "FLOP/s", _FLOPS)]]
HalfPeak = Quantity[Annotated[float, Within(1e6, 1e17, "FLOP/s", (("GFLOP/s", 1e9), ("TFLOP/s", 1e12)))]]
Utilisation = Quantity[Annotated[float, Within(1e-6, 1.0, "(achieved / peak)", (("per cent", 0.01),))]]
Share = Quantity[Annotated[float, Within(1e-6, 1.0, "(achieved / nominal)", (("per cent", 0.01),))]]
Overhead = Quantity[Annotated[float, Within(0.0, 1.0, "s", (("ms", 1e-3), ("µs", 1e-6)))]]
Switch = Quantity[bool]
StartUp = Quantity[Annotated[float, Within(0.0, 600.0, "s", (("ms", 1e-3),))]]
MemorySize = Quantity[Annotated[float, Within(1e4, 2e12, "bytes", _BYTES)]]
Bandwidth = Quantity[Annotated[float, Within(1e6, 1e13, "bytes/s", (("GB/s", 1e9), ("MB/s", 1e6)))]]
StorageSize = Quantity[Annotated[float, Within(1e4, 1e14, "bytes", _BYTES)]]
StorageSpeed = Quantity[Annotated[float, Within(2e4, 5e10, "bytes/s", _BYTES_PER_S)]]
Watts = Quantity[Annotated[float, Within(1e-5, 2e3, "W", (("mW", 1e-3),))]]
Capacity = Quantity[Annotated[float, Within(5e2, 1e8, "J", (("Wh", 3600.0),))]]
Activity = Quantity[
    Annotated[float, Within(0.0, 1.0, "(power above idle / that under full load)", (("per cent", 0.01),))]
]
SpeedFactor = Quantity[Annotated[float, Within(1e-2, 1.0, "(slowed / full speed)", (("per cent", 0.01),))]]
TimeConstant = Quantity[Annotated[float, Within(1.0, 1e5, "s", (("h", 3600.0), ("ms", 1e-3)))]]


@dataclass(frozen=True, config=_STRICT)
class Compute:
    """Arithmetic: nominal peaks, and the share of the FP32 peak that training sustains."""

    peak_fp32_flops_per_s: Peak
    training_utilisation: Utilisation
    """u of the closed form, time = FLOPs / (peak x u): achieved over peak FP32 FLOP/s, in (0, 1]"""
    step_overhead_s: Overhead
    """constant time of one training step, whatever its size: interpreter, kernel launches, copies"""
    peak_fp16_flops_per_s: HalfPeak | None = None
    peak_bf16_flops_per_s: HalfPeak | None = None
    """only where the arithmetic units take bfloat16; training in bf16 elsewhere is priced as FP32"""
    peak_int8_ops_per_s: HalfPeak | None = None
    """of the units that can train or score, multiply-add = 2; not used by the price of a step"""
    convolution_efficiency: Share | None = None
    """achieved over peak FP32 FLOP/s in convolutions larger than 1x1, beside their memory traffic (`cost.steps`).
    Where this or another share is missing, `training_utilisation` stands in for it"""
    pointwise_efficiency: Share | None = None
    """of 1x1 convolutions"""
    depthwise_efficiency: Share | None = None
    """of convolutions with one group per channel"""
    matmul_efficiency: Share | None = None
    """of matrix products and attention"""
    operation_overhead_s: Overhead | None = None
    """constant time of one operation, whatever its size: interpreter, dispatch, kernel launch"""
    convolution_operation_overhead_s: Overhead | None = None
    """the same of a convolution; missing: as of any operation"""
    channel_overhead_s: Overhead | None = None
    """constant time of one sample's one group in a convolution in groups; 0 where kernels take all of them at once"""
    cramped_channel_overhead_s: Overhead | None = None
    """the same where the kernel is larger than the images; missing: as elsewhere"""
    recomputes_forward: Switch | None = None
    """whether the framework runs the forward pass again within the backward pass; missing: it does not"""
    first_step_s: StartUp | None = None
    """what the first step of a job takes beyond the others: loading libraries, starting the GPU"""


@dataclass(frozen=True, config=_STRICT)
class Memory:
    """Working memory (shared with the GPU on phones and Jetsons)."""

    size_bytes: MemorySize
    bandwidth_bytes_per_s: Bandwidth
    """nominal: bus width x transfer rate"""
    achieved_bandwidth_bytes_per_s: Bandwidth | None = None
    """what a copy in memory reaches"""
    activation_efficiency: Share | None = None
    """achieved over nominal bandwidth for what grows with the batch, beside the arithmetic (`cost.steps`)"""
    operand_efficiency: Share | None = None
    """the same for what products and convolutions read and write of it; missing: as activations"""
    weight_efficiency: Share | None = None
    """the same for what does not: weights, their gradients, the optimiser's update"""
    update_efficiency: Share | None = None
    """the same for the optimiser's update; missing: as weights"""
    convolution_weight_efficiency: Share | None = None
    """the same for weights and their gradients within convolutions; missing: as weights"""
    cramped_weight_efficiency: Share | None = None
    """the same where the kernel is larger than the images; missing: as within other convolutions"""
    unrolling_efficiency: Share | None = None
    """the same for the matrices that convolutions larger than 1x1 are unrolled into (im2col); missing where the
    framework has convolutions of its own"""


@dataclass(frozen=True, config=_STRICT)
class Storage:
    """Where the shard lies."""

    kind: Words
    size_bytes: StorageSize
    read_bytes_per_s: StorageSpeed
    write_bytes_per_s: StorageSpeed


@dataclass(frozen=True, config=_STRICT)
class PowerMode:
    """A clock setting below the full one, such as a Jetson's nvpmodel or a fixed CPU frequency."""

    name: Words
    throughput_factor: SpeedFactor
    """speed of computing in this mode over that at full clock, in (0, 1]"""
    power_w: Watts
    """under full load in this mode"""
    overhead_factor: SpeedFactor | None = None
    """speed of start-up and dispatch in this mode over that at full clock. Missing: as of computing, and 1 where a GPU
    computes (`GPU_CLASSES`), for the processor that feeds it keeps its clock"""


@dataclass(frozen=True, config=_STRICT)
class Power:
    """Power of the whole device where not noted otherwise."""

    idle_w: Watts
    max_w: Watts
    """under full load: the constant operating power P of the paper's closed form"""
    modes: tuple[PowerMode, ...] = ()
    """settings below the full one, which is always there and named `full`"""
    memory_activity: Activity | None = None
    """power above idle while operations wait for memory, over that under full load in the same mode; missing: 1"""
    overhead_activity: Activity | None = None
    """the same while operations are dispatched and while a job starts up; missing: 1"""


@dataclass(frozen=True, config=_STRICT)
class Cooling:
    """How a device heats up and slows down. A device whose full speed lasts (fan, small power) has no such section."""

    time_constant_s: TimeConstant
    """of the first-order answer of its temperature to a step of power"""
    throttled_factor: SpeedFactor
    """speed that lasts under full load over full speed, in (0, 1]; 1 = never throttles"""


@dataclass(frozen=True, config=_STRICT)
class Battery:
    """A battery, full."""

    capacity_j: Capacity


@dataclass(frozen=True, config=_STRICT)
class DeviceProfile:
    """One real device. The properties give the plain floats that the cost model computes with."""

    name: str
    title: Words
    device_class: DeviceClass
    """`class` in the file"""
    processor: Words
    compute: Compute
    memory: Memory
    storage: Storage
    power: Power
    cooling: Cooling | None = None
    battery: Battery | None = None

    @property
    def throughput_flops_per_s(self) -> float:
        """φ of the closed form: FP32 peak times training utilisation."""
        return self.compute.peak_fp32_flops_per_s.value * self.compute.training_utilisation.value

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Memory bandwidth that training can reach: the measured copy where there is one, else half of the peak."""
        achieved = self.memory.achieved_bandwidth_bytes_per_s
        return achieved.value if achieved else 0.5 * self.memory.bandwidth_bytes_per_s.value

    @property
    def step_overhead_s(self) -> float:
        """Constant time of one training step."""
        return self.compute.step_overhead_s.value

    @property
    def power_w(self) -> float:
        """P of the closed form: the constant operating power, which is the device's maximum."""
        return self.power.max_w.value

    @property
    def idle_w(self) -> float:
        """Power with nothing to do."""
        return self.power.idle_w.value

    @property
    def mode_names(self) -> list[str]:
        """Names of the power modes, the full one first."""
        return [FULL_MODE, *(mode.name for mode in self.power.modes)]

    def mode(self, name: str) -> tuple[float, float]:
        """Speed over that at full clock, and power in W under full load, of a power mode.

        Raises:
            KeyError: the device has no mode of that name.
        """
        settings = {mode.name: (mode.throughput_factor.value, mode.power_w.value) for mode in self.power.modes}
        return (settings | {FULL_MODE: (1.0, self.power_w)})[name]

    def overhead_speed(self, name: str) -> float:
        """Speed of start-up and dispatch in a power mode over that at full clock (`PowerMode.overhead_factor`)."""
        given = {mode.name: mode.overhead_factor for mode in self.power.modes}.get(name)
        if given is not None:
            return given.value
        return 1.0 if self.device_class in GPU_CLASSES else self.mode(name)[0]

    @property
    def memory_bytes(self) -> float:
        """Size of the working memory."""
        return self.memory.size_bytes.value

    @property
    def storage_bytes(self) -> float:
        """Size of the storage."""
        return self.storage.size_bytes.value

    @property
    def storage_read_bytes_per_s(self) -> float:
        """Sequential read speed of the storage."""
        return self.storage.read_bytes_per_s.value

    @property
    def battery_j(self) -> float | None:
        """Energy of the full battery; None for a device on mains."""
        return self.battery.capacity_j.value if self.battery else None


def quantities(section: type) -> set[str]:
    """Names of the fields of a section that hold a Quantity (all do but words like a storage's `kind`)."""
    hints = get_type_hints(section).items()
    return {name for name, hint in hints if any(get_origin(h) is Quantity for h in (hint, *get_args(hint)))}
