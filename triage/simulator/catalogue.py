"""Labelled scenarios to judge the analysis by: what happens, and which incidents a perfect analysis opens.

Every scenario plays on a smaller bank. Times are relative to `BEGIN_NS`, a Tuesday morning, unless it says otherwise.
The first 40 minutes are always undisturbed, so that the usual can be learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from triage.simulator import faults as make
from triage.simulator.bank import Bank, small_bank
from triage.simulator.failures import Side
from triage.simulator.fault_types import NS, ROLL_S, Change, Fault, IncidentKind, RootKind
from triage.simulator.traffic import Simulator
from triage.simulator.wide import wide_bank

MINUTE: Final = 60 * NS
HOUR: Final = 60 * MINUTE
BEGIN_NS: Final = 1_788_861_600 * NS
"""Tuesday 2026-09-08 10:00 UTC."""
CALLS_PER_S: Final = 4.0


@dataclass(frozen=True, slots=True)
class ExpectedIncident:
    """One incident that has to be opened. Empty `partners`: all that call the APIs; `apis` are 'METHOD route'.

    `root` is the suspect that has to come first, `change` the change to blame, empty where none is to blame.
    """

    partners: tuple[str, ...]
    apis: tuple[str, ...]
    services: tuple[str, ...]
    side: Side
    kind: IncidentKind
    root_kind: RootKind
    root: str
    change: str
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One case: `faults` and `changes` over `hours` from `begin_ns`, and the `truth` about it."""

    name: str
    seed: int
    hours: float
    faults: tuple[Fault, ...]
    changes: tuple[Change, ...]
    truth: tuple[ExpectedIncident, ...]
    bank: Bank
    begin_ns: int = BEGIN_NS

    @property
    def end_ns(self) -> int:
        """End of the scenario."""
        return self.begin_ns + int(self.hours * 3600) * NS

    def simulator(self, seed: int | None = None) -> Simulator:
        """The scenario's traffic, by its own seed or another."""
        return Simulator(self.seed if seed is None else seed, self.bank, self.faults, self.changes)


def expected(bank: Bank, fault: Fault) -> ExpectedIncident:
    """The incident that a fault deserves."""
    truth = fault.truth
    tail = ROLL_S * NS * (len(bank.service(fault.scope.service).instances) - 1) if fault.rolling else 0
    return ExpectedIncident(
        truth.partners,
        bank.routes(truth.apis),
        truth.services,
        truth.side,
        truth.kind,
        truth.root_kind,
        truth.root,
        truth.change,
        fault.begin_ns,
        fault.end_ns + tail,
    )


def quiet_week() -> Scenario:
    """Seven ordinary days and nothing else: the shape of the day and of the week, and what is refused on any day."""
    return Scenario("quiet-week", 9000, 7 * 24.0, (), (), (), replace(small_bank(0.2), weekly=True))


def scenarios() -> tuple[Scenario, ...]:
    """All scenarios, in a fixed order."""
    bank = small_bank(CALLS_PER_S)
    groups = (_quiet, _innocent, _platform, _releases, _partners, _abuse, _shapes, _overlaps, _cascades)
    return tuple(scenario for group in groups for scenario in group(bank))


@dataclass(frozen=True, slots=True)
class _Bench:
    """Makes scenarios of one group; minutes count from the scenario's begin."""

    bank: Bank
    first_seed: int

    def case(
        self,
        name: str,
        faults: Sequence[Fault] = (),
        changes: Sequence[Change] = (),
        *,
        hours: float = 1.5,
        begin_ns: int = BEGIN_NS,
        bank: Bank | None = None,
    ) -> Scenario:
        own = bank or self.bank
        seed = self.first_seed + sum(name.encode())
        truth = tuple(expected(own, fault) for fault in faults)
        return Scenario(name, seed, hours, tuple(faults), tuple(changes), truth, own, begin_ns)


def at(minute: float, begin_ns: int = BEGIN_NS) -> int:
    """A minute of the scenario as nanoseconds since 1970."""
    return begin_ns + int(minute * 60) * NS


def _deploys(*rows: tuple[float, str, str]) -> list[Change]:
    return [make.innocent_deployment(at(minute), service, version) for minute, service, version in rows]


def _quiet(bank: Bank) -> Iterable[Scenario]:
    bench = _Bench(bank, 1000)
    night = BEGIN_NS + 14 * HOUR
    return (
        bench.case("quiet-morning", hours=3),
        bench.case("quiet-night", hours=3, begin_ns=night),
        bench.case("quiet-evening-peak", hours=3, begin_ns=BEGIN_NS + 8 * HOUR),
        bench.case("quiet-start-of-day", hours=3, begin_ns=night + 6 * HOUR),
        bench.case("quiet-weekend", hours=3, begin_ns=BEGIN_NS + 97 * HOUR),
        bench.case("quiet-busy-bank", hours=1, bank=small_bank(20.0)),
        bench.case("quiet-tiny-bank", hours=4, bank=small_bank(0.5)),
        bench.case("quiet-day", hours=24),
    )


def _innocent(bank: Bank) -> Iterable[Scenario]:
    bench = _Bench(bank, 2000)
    certificate = Change("certificate", at(50), partner="ledgerloom", by="partner-desk")
    rate = Change(
        "configuration",
        at(55),
        api="GET /open-banking/v4.0/aisp/accounts",
        version="limits-7",
        by="gateway-team",
    )
    return (
        bench.case("innocent-one-deployment", (), _deploys((50, "payments-service", "4.7.2"))),
        bench.case(
            "innocent-every-service",
            (),
            _deploys(
                (45, "accounts-service", "5.2.1"),
                (50, "payments-service", "4.7.2"),
                (55, "core-banking", "22.4.1"),
                (60, "consent-service", "3.11.3"),
                (65, "fraud-check", "1.18.1"),
                (70, "card-service", "2.4.0"),
            ),
        ),
        bench.case("innocent-other-changes", (), (certificate, rate)),
        bench.case(
            "innocent-before-partner-fault",
            [make.certificate_expired(bank, at(54), at(84), "penny-owl")],
            _deploys((50, "accounts-service", "5.2.1")),
        ),
        bench.case(
            "innocent-before-database-lock",
            [make.upstream_timeout(bank, at(55), at(70))],
            _deploys((51, "payments-service", "4.7.2"), (53, "accounts-service", "5.2.1")),
        ),
        bench.case(
            "innocent-before-provider",
            [make.provider_failing(bank, at(55), at(75))],
            _deploys((52, "card-service", "2.4.0")),
        ),
    )


def _platform(bank: Bank) -> Iterable[Scenario]:
    bench = _Bench(bank, 3000)
    return (
        bench.case("database-lock", [make.upstream_timeout(bank, at(50), at(65))]),
        bench.case("database-lock-mild", [make.upstream_timeout(bank, at(50), at(75), 0.12)]),
        bench.case("database-lock-short", [make.upstream_timeout(bank, at(50), at(54), 0.9)]),
        bench.case("provider-down", [make.provider_failing(bank, at(50), at(70), 1.0)]),
        bench.case("provider-partly", [make.provider_failing(bank, at(45), at(80), 0.3)]),
        bench.case("misroute-busy-api", [make.misroute(bank, at(50), at(60), "uk-balances")]),
        bench.case("misroute-small-api", [make.misroute(bank, at(45), at(75), "uk-consent-status")]),
        bench.case("misroute-nginx", [make.misroute(bank, at(50), at(65), "bg-balances")]),
        bench.case("route-missing", [make.misroute(bank, at(50), at(65), "uk-vrp", missing=True)]),
        bench.case("instance-down", [make.instance_down(bank, at(45), at(75))]),
        bench.case("endpoint-down", [make.endpoint_down(bank, at(50), at(65))]),
        bench.case("endpoint-down-small-api", [make.endpoint_down(bank, at(45), at(80), "uk-standing-orders")]),
        bench.case("core-instance-down", [make.instance_down(bank, at(50), at(62), "core-banking", 1)]),
    )


def _releases(bank: Bank) -> Iterable[Scenario]:
    bench = _Bench(bank, 4000)
    made = {
        "release-payments": make.bad_release(bank, at(50), at(75)),
        "release-payments-mild": make.bad_release(bank, at(45), at(82), 0.15),
        "release-accounts": make.bad_release(
            bank, at(50), at(65), 0.4, service="accounts-service", version="5.3.0"
        ),
        "release-fraud": make.bad_release(bank, at(45), at(75), 0.8, service="fraud-check", version="1.19.0"),
    }
    cases = [bench.case(name, [fault], changes) for name, (fault, changes) in made.items()]
    fault, changes = make.bad_release(bank, at(52), at(76))
    noise = _deploys(
        (50, "accounts-service", "5.2.1"),
        (51, "card-service", "2.4.0"),
        (53, "notification-service", "1.9.2"),
    )
    return [*cases, bench.case("release-among-innocent", [fault], [*changes, *noise])]


def _partners(bank: Bank) -> Iterable[Scenario]:
    bench = _Bench(bank, 5000)
    return (
        bench.case(
            "certificate-busy-partner", [make.certificate_expired(bank, at(50), at(70), "brightledger")]
        ),
        bench.case(
            "certificate-middle-partner", [make.certificate_expired(bank, at(50), at(80), "rentright")]
        ),
        bench.case(
            "certificate-small-partner",
            [make.certificate_expired(bank, at(45), at(165), "trustmeter")],
            hours=3,
        ),
        bench.case("consents-expire", [make.consent_wave(bank, at(50), at(80), "kontoblick")]),
        bench.case("silence-busy-partner", [make.silence(bank, at(50), at(70), "brightledger")]),
        bench.case("silence-middle-partner", [make.silence(bank, at(60), at(120), "ledgerloom")], hours=2.5),
        bench.case(
            "retry-storm", [make.retry_storm(bank, at(50), at(60), "spaarvarken", "bg-transactions", 6.0)]
        ),
        bench.case(
            "retry-storm-small-partner",
            [make.retry_storm(bank, at(50), at(65), "trustmeter", "uk-accounts", 2.0)],
        ),
    )


def _abuse(bank: Bank) -> Iterable[Scenario]:
    bench = _Bench(bank, 6000)
    return (
        bench.case("enumeration-fast", [make.enumeration(bank, at(50), at(75), "tallyhouse", per_s=2.0)]),
        bench.case(
            "enumeration-slow", [make.enumeration(bank, at(45), at(165), "carbonpurse", per_s=0.08)], hours=3
        ),
        bench.case(
            "enumeration-transactions",
            [make.enumeration(bank, at(50), at(80), "quillbooks", "uk-transactions", 0.5)],
        ),
        bench.case("enumeration-consents", [make.enumeration(bank, at(50), at(80), "sweeply", "uk-consent-status", 0.5)]),
        bench.case("tokens-guessed", [make.tokens_refused(bank, at(50), at(70), "quillbooks", "uk-accounts")]),
        bench.case("client-authentication-guessed", [make.tokens_refused(bank, at(50), at(75), "rentright", "token", at_token=True)]),
        bench.case("credential-in-many-places", [make.many_places(bank, at(50), at(80), "fernhill-lending", "uk-balances")]),
        bench.case(
            "bulk-extraction", [make.extraction(bank, at(1515), at(1560), "brightledger", "uk-transactions", 0.7)], hours=26.2,
            bank=small_bank(0.5),
        ),
        bench.case(
            "functions-without-role",
            [make.functions(bank, at(50), at(75), "tidepay", ("uk-accounts", "uk-balances", "uk-transactions"))],
        ),
        bench.case(
            "functions-never-used",
            [make.functions(bank, at(50), at(80), "carbonpurse", ("bg-accounts", "bg-balances", "bg-transactions"))],
        ),
        bench.case(
            "over-the-limit", [make.over_limit(bank, at(50), at(75), "rentright", "uk-balances")],
            bank=replace(bank, agreed=(("rentright", 60),)),
        ),
        bench.case("dead-consents", [make.dead_consents(bank, at(50), at(85), "kontoblick", "bg-balances")]),
        bench.case(
            "unattended-too-often", [make.unattended(bank, at(45), at(435), "fernhill-lending", "uk-balances")], hours=7.5,
            bank=small_bank(1.0),
        ),
    )


def _shapes(bank: Bank) -> Iterable[Scenario]:
    bench = _Bench(bank, 7000)
    return (
        bench.case("creeping-latency", [make.slow_dependency(bank, at(45), at(100), factor=40)], hours=2),
        bench.case(
            "creeping-core", [make.slow_dependency(bank, at(45), at(100), "core-banking", 30)], hours=2
        ),
        bench.case(
            "sudden-latency",
            [make.slow_dependency(bank, at(50), at(70), "consent-service", 60, creeping=False)],
        ),
        bench.case("flapping", [make.flapping(bank, at(45), at(85))], hours=2),
        bench.case("flapping-fast", [make.flapping(bank, at(45), at(75), 0.9, 60, 0.4)]),
        bench.case("short-blip", [make.misroute(bank, at(50), at(52), "uk-accounts")]),
        bench.case(
            "night-fault",
            [make.upstream_timeout(bank, at(50, BEGIN_NS + 14 * HOUR), at(75, BEGIN_NS + 14 * HOUR))],
            begin_ns=BEGIN_NS + 14 * HOUR,
        ),
    )


def _overlaps(bank: Bank) -> Iterable[Scenario]:
    bench = _Bench(bank, 8000)
    release, changes = make.bad_release(bank, at(55), at(80))
    both, both_changes = make.bad_release(bank, at(52), at(72), 0.4)
    return (
        bench.case(
            "overlap-release-and-certificate",
            [release, make.certificate_expired(bank, at(50), at(75), "penny-owl")],
            changes,
        ),
        bench.case(
            "overlap-provider-and-abuse",
            [
                make.provider_failing(bank, at(50), at(75)),
                make.enumeration(bank, at(48), at(80), "tallyhouse"),
            ],
        ),
        bench.case(
            "overlap-misroute-and-silence",
            [
                make.misroute(bank, at(55), at(70), "uk-balances"),
                make.silence(bank, at(50), at(75), "kontoblick"),
            ],
        ),
        bench.case(
            "overlap-two-partners",
            [
                make.certificate_expired(bank, at(50), at(75), "penny-owl"),
                make.consent_wave(bank, at(53), at(78), "spaarvarken"),
            ],
        ),
        bench.case(
            "overlap-two-routes",
            [
                make.misroute(bank, at(50), at(70), "uk-accounts"),
                make.misroute(bank, at(50), at(70), "bg-transactions"),
            ],
        ),
        bench.case(
            "overlap-lock-and-certificate",
            [
                make.upstream_timeout(bank, at(50), at(65)),
                make.certificate_expired(bank, at(52), at(80), "swiftbasket-pay"),
            ],
        ),
        bench.case(
            "overlap-two-slow-services",
            [
                make.slow_dependency(bank, at(50), at(80), "fraud-check", 40, creeping=False),
                make.slow_dependency(bank, at(52), at(78), "card-service", 40, creeping=False),
            ],
        ),
        bench.case(
            "overlap-two-services-on-one-api", [make.upstream_timeout(bank, at(50), at(70), 0.35), both], both_changes,
        ),
        bench.case(
            "one-after-the-other",
            [make.provider_failing(bank, at(45), at(55)), make.upstream_timeout(bank, at(75), at(88))],
            hours=2,
        ),
    )


def _cascades(bank: Bank) -> Iterable[Scenario]:
    """40 APIs and about 500 partners fail for one cause."""
    bench = _Bench(wide_bank(3 * bank.calls_per_s), 9100)
    lock = make.upstream_timeout(bench.bank, at(45), at(55), 0.9)
    return (
        bench.case("cascade-of-the-database", [lock], hours=1),
        bench.case("cascade-beside-the-provider", [lock, make.provider_failing(bench.bank, at(46), at(56), 1.0)], hours=1),
    )
