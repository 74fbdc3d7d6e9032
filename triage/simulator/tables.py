"""The bank and its faults as arrays, so that thousands of calls can be drawn at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triage.simulator.apis import GATEWAY
from triage.simulator.bank import Bank, Floats, Ints
from triage.simulator.failures import Failure, failing_hop
from triage.simulator.fault_types import Fault
from triage.simulator.parts import Hop

Bools = npt.NDArray[np.bool_]


def chain(hops: Sequence[Hop], place: int) -> tuple[int, ...]:
    """The hop at `place` and all its callers, itself first."""
    links = [place]
    while hops[links[-1]].parent >= 0:
        links.append(hops[links[-1]].parent)
    return tuple(links)


@dataclass(frozen=True)
class Tables:
    """Arrays over APIs (rows), hops (columns) and ways to fail. `-1` fills what is not there."""

    failures: tuple[Failure, ...]
    services: tuple[str, ...]  # every name that a hop can carry
    ms: Floats  # [api, hop] usual milliseconds, 0 where there is no hop
    parent: Ints  # [api, hop]
    service: Ints  # [api, hop] place in `services`
    hop_of: Ints  # [failure, api] where it fails
    fail_ms: Floats  # [failure] time of the failing hop, 0: a third of the usual
    everyday: Floats  # [api, failure] cumulated base shares
    front_first: Ints  # [api] first gateway instance of the API's front
    front_count: Ints  # [api]
    instance_count: Ints  # [service] 0 for what has no instances of ours

    @property
    def width(self) -> int:
        """Largest number of hops of an API."""
        return int(self.ms.shape[1])


def build(bank: Bank, faults: Sequence[Fault]) -> Tables:
    """Tables of a bank for these faults."""
    ways = [failure for failure, _ in bank.everyday]
    ways += [failure for fault in faults for failure, _ in fault.failures]
    failures = tuple(dict.fromkeys(ways))
    services = tuple(
        dict.fromkeys(
            [service.name for service in bank.services]
            + [hop.service for api in bank.apis for hop in api.hops]
        )
    )
    width = max(len(api.hops) for api in bank.apis)
    hop_of = np.array([[failing_hop(api, failure) for api in bank.apis] for failure in failures]).reshape(
        -1, len(bank.apis)
    )
    shares = np.array([share for _, share in bank.everyday])
    possible = (hop_of[: len(shares)] >= 0).T
    gateway = bank.service(GATEWAY).instances
    fronts = [
        [place for place, name in enumerate(gateway) if name.startswith(api.front)] for api in bank.apis
    ]
    counts = {service.name: len(service.instances) for service in bank.services}
    return Tables(
        failures=failures,
        services=services,
        ms=np.array([_padded([hop.ms for hop in api.hops], width, 0.0) for api in bank.apis]),
        parent=np.array(
            [_padded([hop.parent for hop in api.hops], width, -1) for api in bank.apis], dtype=np.int64
        ),
        service=np.array(
            [_padded([services.index(hop.service) for hop in api.hops], width, -1) for api in bank.apis],
            dtype=np.int64,
        ),
        hop_of=hop_of,
        fail_ms=np.array([failure.ms for failure in failures]),
        everyday=np.cumsum(possible * shares, axis=1),
        front_first=np.array([front[0] for front in fronts]),
        front_count=np.array([len(front) for front in fronts]),
        instance_count=np.array([counts.get(name, 0) for name in services]),
    )


def _padded(values: Sequence[float], width: int, filler: float) -> list[float]:
    return [*values, *[filler] * (width - len(values))]
