"""Plans without training: the cost of every device of a fleet at every keep ratio, up to millions of devices.

Devices of one kind (profile, conditions, throughput) with the same shard have equal costs. So every such pair is priced
once, however many devices share it. Needs no torch where the network has been counted before.
"""

from edgesim.planning.fleet_plan import FleetPlan
from edgesim.planning.fleet_pricer import plan_fleet

__all__ = ["FleetPlan", "plan_fleet"]
