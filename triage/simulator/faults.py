"""What can go wrong at the simulated bank: one function a kind of fault, each with the labelled truth about it."""

from __future__ import annotations

from typing import Final

from triage.simulator import failures as ways
from triage.simulator.apis import DATABASE
from triage.simulator.bank import Bank
from triage.simulator.failures import Failure, failing_hop
from triage.simulator.fault_types import Change, Fault, FaultKind, IncidentKind, Scope, Truth


def _reach(bank: Bank, failure: Failure) -> tuple[str, ...]:
    """Keys of the APIs on which a failure can happen."""
    return tuple(api.key for api in bank.apis if failing_hop(api, failure) >= 0)


def _service_truth(apis: tuple[str, ...], service: str, cause: str, kind: IncidentKind = "errors") -> Truth:
    return Truth((), apis, (service,), "bank", kind, "service", service, cause)


def upstream_timeout(bank: Bank, begin_ns: int, end_ns: int, severity: float = 0.6) -> Fault:
    """Locks in the core's database: reads and postings wait, then time out."""
    truth = _service_truth(
        _reach(bank, ways.DB_LOCK),
        "core-banking",
        "ledger rows are locked; core-banking waits 10 s and gives up",
    )
    return Fault(
        "upstream_timeout", begin_ns, end_ns, Scope(service=DATABASE), truth, severity, ((ways.DB_LOCK, 1.0),)
    )


_RELEASES: Final[dict[str, Failure]] = {
    "payments-service": ways.BAD_RELEASE,
    "accounts-service": ways.ACCOUNTS_RELEASE,
    "fraud-check": ways.FRAUD_RELEASE,
}


def bad_release(
    bank: Bank,
    begin_ns: int,
    end_ns: int,
    severity: float = 0.5,
    *,
    service: str = "payments-service",
    version: str = "4.8.0",
) -> tuple[Fault, tuple[Change, ...]]:
    """A deployment that throws, and the deployment of the old version that ends it."""
    release = Change("deployment", begin_ns, service, version)
    rollback = Change("deployment", end_ns, service, bank.service(service).version, by="on-call")
    failure = _RELEASES[service]
    truth = Truth(
        (),
        _reach(bank, failure),
        (service,),
        "bank",
        "errors",
        "change",
        release.name,
        f"release {version} of {service} throws",
        release.name,
    )
    fault = Fault(
        "bad_release",
        begin_ns,
        end_ns,
        Scope(service=service),
        truth,
        severity,
        ((failure, 1.0),),
        rolling=True,
    )
    return fault, (release, rollback)


def certificate_expired(bank: Bank, begin_ns: int, end_ns: int, partner: str) -> Fault:
    """A partner's transport certificate runs out: all its calls are refused at the gateway."""
    truth = Truth(
        (partner,),
        bank.apis_of(partner),
        (),
        "partner",
        "errors",
        "partner",
        partner,
        f"the certificate of {bank.partner(partner).name} has expired",
    )
    return Fault(
        "certificate_expired",
        begin_ns,
        end_ns,
        Scope((partner,)),
        truth,
        1.0,
        ((ways.CERTIFICATE_EXPIRED, 1.0),),
    )


def misroute(
    bank: Bank, begin_ns: int, end_ns: int, api: str, severity: float = 1.0, *, missing: bool = False
) -> Fault:
    """A route of the gateway points nowhere (503), or is gone (404, `missing`)."""
    failure = ways.NO_ROUTE if missing else ways.MISROUTE
    route = f"{bank.api(api).method} {bank.api(api).route}"
    truth = Truth(
        (), (api,), (), "gateway", "errors", "api", route, f"the gateway finds no upstream for {route}"
    )
    return Fault("misroute", begin_ns, end_ns, Scope(apis=(api,)), truth, severity, ((failure, 1.0),))


def slow_dependency(
    bank: Bank,
    begin_ns: int,
    end_ns: int,
    service: str = "fraud-check",
    factor: float = 25.0,
    *,
    creeping: bool = True,
) -> Fault:
    """One service becomes slow, by and by when `creeping`."""
    truth = _service_truth(
        bank.apis_through(service), service, f"{service} answers up to {factor:.0f} times slower", "latency"
    )
    return Fault(
        "slow_dependency", begin_ns, end_ns, Scope(service=service), truth, slow=factor, creeping=creeping
    )


def provider_failing(bank: Bank, begin_ns: int, end_ns: int, severity: float = 0.8) -> Fault:
    """The card scheme, which is not the bank's, answers with errors."""
    failure = ways.SCHEME_DOWN
    truth = Truth(
        (),
        _reach(bank, failure),
        ("card-service",),
        "external",
        "errors",
        "external",
        failure.where,
        "the card scheme answers 503",
    )
    scope = Scope(service=failure.where)
    return Fault("provider_failing", begin_ns, end_ns, scope, truth, severity, ((failure, 1.0),))


def enumeration(
    bank: Bank, begin_ns: int, end_ns: int, partner: str, api: str = "uk-balances", per_s: float = 1.5
) -> Fault:
    """A partner tries account IDs one after the other; the UK standard answers 403 and 400, never 404."""
    truth = Truth(
        (partner,),
        (api,),
        (),
        "partner",
        "abnormal_use",
        "partner",
        partner,
        f"{bank.partner(partner).name} walks through account IDs",
    )
    return Fault(
        "enumeration",
        begin_ns,
        end_ns,
        Scope((partner,), (api,)),
        truth,
        1.0,
        ((ways.ENUM_CONSENT, 0.95),) if "consent" in api else ((ways.ENUM_FOREIGN, 0.55), (ways.ENUM_MISSING, 0.40)),
        extra_per_s=per_s,
        strangers=True,
        only_extra=True,
    )


def _abuse(
    bank: Bank, kind: FaultKind, times: tuple[int, int], partner: str, apis: tuple[str, ...], cause: str, per_s: float,
    failure: Failure | None = None, *, crowd: int = 0, crowd_from: int = 0, places: int = 0,
) -> Fault:
    """More calls of one partner than it should make; all of them fail when there is a `failure`."""
    truth = Truth((partner,), apis, (), "partner", "abnormal_use", "partner", partner, f"{bank.partner(partner).name} {cause}")
    return Fault(
        kind, times[0], times[1], Scope((partner,), apis), truth, 1.0, ((failure, 1.0),) if failure else (), extra_per_s=per_s,
        only_extra=True, crowd=crowd, crowd_from=crowd_from, places=places,
    )


def tokens_refused(
    bank: Bank, begin_ns: int, end_ns: int, partner: str, api: str, per_s: float = 1.0, *, at_token: bool = False,
) -> Fault:
    """Somebody guesses access tokens under a partner's name, or its client authentication (`at_token`)."""
    failure = ways.CLIENT_REFUSED if at_token else ways.TOKEN_REFUSED
    return _abuse(bank, "tokens_refused", (begin_ns, end_ns), partner, (api,), "has very many tokens refused", per_s, failure)


def many_places(bank: Bank, begin_ns: int, end_ns: int, partner: str, api: str, per_s: float = 0.3, places: int = 40) -> Fault:
    """A partner's credential is used from many networks at once."""
    return _abuse(bank, "many_places", (begin_ns, end_ns), partner, (api,), "calls from many networks", per_s, places=places)


def extraction(bank: Bank, begin_ns: int, end_ns: int, partner: str, api: str, per_s: float = 1.0, crowd: int = 1500) -> Fault:
    """A partner reads the data of customer after customer that it never asked for."""
    return _abuse(
        bank, "extraction", (begin_ns, end_ns), partner, (api,), "reads everybody's data", per_s, crowd=crowd, crowd_from=2400)


def functions(bank: Bank, begin_ns: int, end_ns: int, partner: str, apis: tuple[str, ...], per_s: float = 0.2) -> Fault:
    """A partner tries APIs that it never used and has no right to."""
    return _abuse(
        bank, "functions", (begin_ns, end_ns), partner, apis, "tries functions it has no right to", per_s, ways.ROLE_REFUSED)


def over_limit(bank: Bank, begin_ns: int, end_ns: int, partner: str, api: str, per_s: float = 2.0) -> Fault:
    """A partner calls more often than was agreed with it; nothing refuses the calls."""
    return _abuse(bank, "over_limit", (begin_ns, end_ns), partner, (api,), "goes beyond its limit", per_s)


def dead_consents(
    bank: Bank, begin_ns: int, end_ns: int, partner: str, api: str, per_s: float = 0.4, crowd: int = 8,
) -> Fault:
    """A partner uses a few consents that have ended, again and again."""
    return _abuse(
        bank, "dead_consents", (begin_ns, end_ns), partner, (api,), "uses consents that have ended", per_s, ways.CONSENT_EXPIRED,
        crowd=crowd, crowd_from=2400)


def unattended(
    bank: Bank, begin_ns: int, end_ns: int, partner: str, api: str, per_s: float = 0.34, crowd: int = 300,
) -> Fault:
    """A partner reads the same customers' data every quarter of an hour without them."""
    return _abuse(
        bank, "unattended", (begin_ns, end_ns), partner, (api,), "reads without the customer too often", per_s, crowd=crowd)


def endpoint_down(bank: Bank, begin_ns: int, end_ns: int, api: str = "uk-balances") -> Fault:
    """One API does not answer any more; the gateway gives up after 30 s."""
    failure = ways.NO_ANSWER
    truth = _service_truth((api,), failure.where, f"{failure.where} does not answer calls of {api}", "endpoint_down")
    return Fault("endpoint_down", begin_ns, end_ns, Scope(apis=(api,)), truth, 1.0, ((failure, 1.0),))


def retry_storm(bank: Bank, begin_ns: int, end_ns: int, partner: str, api: str, per_s: float = 8.0) -> Fault:
    """A partner's client repeats its calls without pause; the gateway's limit refuses half."""
    cause = f"{bank.partner(partner).name} repeats calls without pause"
    truth = Truth((partner,), (api,), (), "partner", "traffic_surge", "partner", partner, cause)
    return Fault(
        "retry_storm",
        begin_ns,
        end_ns,
        Scope((partner,), (api,)),
        truth,
        1.0,
        ((ways.RATE_LIMITED, 0.5),),
        extra_per_s=per_s,
        only_extra=True,
    )


def silence(bank: Bank, begin_ns: int, end_ns: int, partner: str) -> Fault:
    """A partner's calls stop coming."""
    cause = f"no call of {bank.partner(partner).name} arrives"
    truth = Truth((partner,), bank.apis_of(partner), (), "partner", "traffic_drop", "partner", partner, cause)
    return Fault("silence", begin_ns, end_ns, Scope((partner,)), truth, keep=0.0)


def instance_down(
    bank: Bank, begin_ns: int, end_ns: int, service: str = "fraud-check", place: int = 0
) -> Fault:
    """One instance refuses connections, the others work."""
    failure = {"fraud-check": ways.FRAUD_DOWN, "core-banking": ways.CORE_DOWN}[service]
    instance = bank.service(service).instances[place]
    truth = Truth(
        (),
        _reach(bank, failure),
        (service,),
        "bank",
        "errors",
        "instance",
        instance,
        f"{instance} refuses connections",
    )
    return Fault(
        "instance_down",
        begin_ns,
        end_ns,
        Scope(service=service, instance=place),
        truth,
        1.0,
        ((failure, 1.0),),
    )


def flapping(
    bank: Bank, begin_ns: int, end_ns: int, severity: float = 0.7, period_s: int = 240, duty: float = 0.5
) -> Fault:
    """The consent service's connection pool runs dry and recovers, again and again."""
    truth = _service_truth(
        _reach(bank, ways.CONSENT_POOL),
        "consent-service",
        "the connection pool of consent-service runs dry in bursts",
    )
    return Fault(
        "flapping",
        begin_ns,
        end_ns,
        Scope(service="consent-service"),
        truth,
        severity,
        ((ways.CONSENT_POOL, 1.0),),
        period_s=period_s,
        duty=duty,
    )


def consent_wave(bank: Bank, begin_ns: int, end_ns: int, partner: str, severity: float = 0.6) -> Fault:
    """Consents that one partner collected on one day 90 days ago expire together."""
    apis = tuple(key for key in bank.apis_of(partner) if key in _reach(bank, ways.CONSENT_EXPIRED))
    truth = Truth(
        (partner,),
        apis,
        (),
        "customer",
        "errors",
        "partner",
        partner,
        f"many consents of {bank.partner(partner).name} have expired",
    )
    return Fault(
        "consent_wave",
        begin_ns,
        end_ns,
        Scope((partner,), apis),
        truth,
        severity,
        ((ways.CONSENT_EXPIRED, 1.0),),
    )


def innocent_deployment(at_ns: int, service: str, version: str) -> Change:
    """A deployment without any effect but the version in the spans."""
    return Change("deployment", at_ns, service, version)
