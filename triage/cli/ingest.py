"""`triage ingest FILE...`: decode and mask here, then hand over to the running service, or straight to the store when none runs."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import orjson
import urllib3

from collectors.files import FORMATS, Body, read_bodies
from collectors.gateways.append import Identities
from collectors.intake import Intake
from collectors.otlp_records import LogSink
from triage.bootstrap.build import decoding_of, key_of, open_stores
from triage.cli.target import target_settings
from triage.config import Settings
from triage.decoding.work import intake_of
from triage.directory import Directory
from triage.domain.columns import SIGNALS
from triage.domain.records import Records
from triage.domain.windows import HOUR_NS, from_rfc3339
from triage.errors import BadInput, StoreUnavailable, TriageError, counted_as
from triage.mask.masker import Masker
from triage.mask.transfer import to_bytes
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended
from triage.runfile import RunFile

Append = Callable[[MaskedRecords], Appended]


@dataclass(slots=True)
class Totals:
    """What became of all files."""

    kept: Counter[str] = field(default_factory=Counter)
    duplicate: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, object]:
        """The shape of `--json`."""
        return {
            **{signal: self.kept[signal] for signal in ("calls", "spans", "logs")}, "duplicate": self.duplicate,
            "rejected": sum(self.rejected.values()), "reasons": dict(self.rejected),
        }


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_", type=click.Choice(FORMATS), default="auto", show_default=True)
@click.option("--shift-to", help="Move all records by one offset so that the newest falls on this time (RFC 3339) or 'now'.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def ingest(files: tuple[Path, ...], format_: str, shift_to: str | None, as_json: bool) -> None:
    """Send OTLP JSON or protobuf files, or gateway log files (.gz too)."""
    settings = target_settings()
    now = time.time_ns()
    offset = _offset(files, format_, shift_to, settings, now)
    totals = Totals()
    with _append(settings) as append:
        intake = _intake(settings, append)
        _send(files, format_, offset, intake, totals, quiet=as_json)
    if as_json:
        click.echo(orjson.dumps(totals.as_json()))
    else:
        _report(totals)
    sys.exit(0 if sum(totals.kept.values()) or totals.duplicate else 1)


@dataclass(frozen=True, slots=True)
class _Sender:
    """In place of a store: what is appended elsewhere, without waiting for more."""

    append: Append

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        """Append now."""
        done: Future[Appended] = Future()
        done.set_result(self.append(batch))
        return done


def _intake(settings: Settings, append: Append) -> Intake:
    key = key_of(settings, "mask_key").encode()
    options = decoding_of(settings, key, Directory.of(settings.partner, settings.api))
    return intake_of(options, Masker(key), _Sender(append), time.time_ns)


@contextmanager
def _append(settings: Settings) -> Iterator[Append]:
    """Into the running service, or into the store itself."""
    running = RunFile.read(settings.local_folder())
    if running is None:
        stores = open_stores(settings)
        try:
            yield stores.records.append
        finally:
            stores.close()
        return
    pool = urllib3.PoolManager(retries=False, timeout=120)

    def remote(batch: MaskedRecords) -> Appended:
        for attempt in range(8):
            answer = pool.request("POST", running.otlp_http + "/local/append", body=to_bytes(batch), headers={
                "authorization": f"Bearer {running.token}", "content-type": "application/vnd.apache.arrow.stream"})
            if answer.status == 200:
                body = orjson.loads(answer.data)
                return Appended(body["kept"], body["duplicate"])
            if answer.status not in (429, 503):
                break
            time.sleep(min(2**attempt * 0.2, 5))
        raise StoreUnavailable(f"the running service answers {answer.status}: {answer.data[:200].decode('utf-8', 'replace')}")

    yield remote


def _send(files: tuple[Path, ...], format_: str, offset: int, intake: Intake, totals: Totals, *, quiet: bool) -> None:
    size = sum(file.stat().st_size for file in files)
    with click.progressbar(length=size, label="ingest", file=sys.stderr, hidden=quiet or not sys.stderr.isatty()) as bar:
        for file in files:
            before, sink = 0, LogSink()
            identities = Identities()
            try:
                for body in read_bodies(file, format_):
                    _send_body(body, offset, intake, sink, identities, totals)
                    bar.update(body.done - before)
                    before = body.done
            except BadInput as error:
                totals.rejected[error.reason] += 1
            bar.update(file.stat().st_size - before)


def _send_body(body: Body, offset: int, intake: Intake, sink: LogSink, identities: Identities, totals: Totals) -> None:
    try:
        records = intake.decode(body.kind, body.encoding, body.data, gateway=body.gateway, log_sink=sink,
                               identities=identities, first_line=body.first_line)
        shift(records, offset)
        outcome = intake.take(records, body.gateway or "otlp")
    except BadInput as error:
        totals.rejected[error.reason] += 1
        return
    totals.kept.update(outcome.kept)
    totals.duplicate += sum(outcome.duplicate.values())
    totals.rejected.update(counted_as(reason) for _, reason in outcome.rejected)


def shift(records: Records, offset_ns: int) -> None:
    """Move every record by the offset; what would leave 64 bits stays where it is, and is rejected by its time."""
    if not offset_ns:
        return
    for signal in SIGNALS:
        columns = getattr(records, signal)
        columns["time_ns"] = [t + offset_ns if 0 <= t + offset_ns < 2**63 else t for t in columns["time_ns"]]


def _offset(files: tuple[Path, ...], format_: str, shift_to: str | None, settings: Settings, now_ns: int) -> int:
    if shift_to is None:
        return 0
    try:
        target = now_ns if shift_to == "now" else from_rfc3339(shift_to)
    except ValueError as error:
        raise click.BadParameter(f"{error}; write 'now' or a time such as 2026-05-04T10:00:00Z", param_hint="--shift-to") from error
    newest = 0
    intake = _intake(settings, _nothing)
    for file in files:
        try:
            for body in read_bodies(file, format_):
                newest = max(newest, _newest(intake, body, now_ns + HOUR_NS))
        except BadInput:
            continue  # counted when the file is sent
    if not newest:
        raise TriageError("no record with a believable time was found, so nothing can be shifted")
    return target - newest


def _nothing(batch: MaskedRecords) -> Appended:
    raise AssertionError("the first pass keeps nothing")


def _newest(intake: Intake, body: Body, limit_ns: int) -> int:
    try:
        records = intake.decode(body.kind, body.encoding, body.data, gateway=body.gateway)
    except BadInput:
        return 0
    return max((t for signal in SIGNALS for t in getattr(records, signal)["time_ns"] if t <= limit_ns), default=0)


def _report(totals: Totals) -> None:
    click.echo("kept      " + ", ".join(f"{totals.kept[signal]:,} {signal}" for signal in ("calls", "spans", "logs")))
    if totals.duplicate:
        click.echo(f"duplicate {totals.duplicate:,}")
    for reason, number in totals.rejected.most_common():
        click.echo(f"rejected  {number:,}: {reason}")
