"""In: entries of gateways' access logs. Out: rows of the `calls` columns. One module a gateway, all of one shape.

To add a gateway: a module with `KIND`, `recognise(line)` and `parse(entry)`, and its name in the list below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from collectors.gateways import (
    apache,
    apisix,
    aws,
    envoy,
    haproxy,
    kong,
    krakend,
    neutral,
    nginx,
    spring,
    traefik,
    tyk,
    wso2,
)
from collectors.gateways.call import GatewayCall


@dataclass(frozen=True, slots=True)
class Gateway:
    """One kind of gateway. `parse` raises BadInput only."""

    kind: str
    recognise: Callable[[str], bool]
    parse: Callable[[str | dict[str, Any]], GatewayCall]


GATEWAYS: Final = tuple(
    Gateway(module.KIND, module.recognise, module.parse)
    for module in (
        kong, apisix, tyk, wso2, aws, envoy, traefik, haproxy, krakend, spring, nginx, apache, neutral,
    )
)
"""In the order in which `auto` asks them: the more telling formats first."""

KINDS: Final[dict[str, Gateway]] = {gateway.kind: gateway for gateway in GATEWAYS}
