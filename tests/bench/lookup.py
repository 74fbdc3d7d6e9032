"""How long a look-up by any ID takes on a store that holds much: `python tests/bench/lookup.py [RECORDS] [--elastic]`.

1 M records without an argument. The embedded data set is made once (`kept_data`); a copy of it is opened. On Elasticsearch a node
of its own is filled first. `find` is the store's answer; `answer` is all of `GET /api/v1/lookup` but the socket. `cold`: before
every ten look-ups the store is closed, its files are thrown out of the page cache (posix_fadvise) and it is opened again.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))  # before the tests' folders of the same names

from bench import kept, kept_data
from elastic_node.node import running_node
from pydantic import SecretStr

from dashboards.app import create_app
from dashboards.parts import ConsoleSettings
from triage.bootstrap.build import build
from triage.bootstrap.web import console_parts
from triage.config import Settings
from triage.ports.records import RecordStore
from triage.store.elastic.client import ElasticSettings, connect
from triage.store.elastic.records import ElasticRecordStore
from triage.store.embedded.ledger_files import SortedIds
from triage.store.embedded.records import EmbeddedRecordStore

WARM: Final = 60  # look-ups a kind
COLD: Final = 10  # look-ups a kind, a fresh store
LEDGER: Final = "triage-ledger-*"
Values = dict[str, list[str]]


Taken = tuple[float, float]  # seconds of the clock, and of this thread's CPU


def line(name: str, taken: Sequence[Taken]) -> str:
    """One kind of look-up for the terminal."""
    (p50, p95, most), cpu = np.percentile(np.array(taken)[:, 0] * 1000, [50, 95, 100]), np.percentile(np.array(taken)[:, 1] * 1000, 95)
    return f"  {name:<20} p50 {p50:8.2f} ms   p95 {p95:8.2f} ms   most {most:8.2f} ms   p95 of CPU {cpu:8.2f} ms"


def present(records: int, count: int, seed: int) -> Values:
    """IDs of random calls by kind."""
    numbers = np.random.default_rng(seed).integers(0, kept_data.calls_in(records), count)
    return _texts(kept_data.ids(numbers))


def absent(count: int, seed: int) -> Values:
    """IDs of the same forms that nobody has."""
    return _texts(kept_data.absent(count, seed))


def measure(ask: Callable[[str], bool], values: Values, there: bool) -> dict[str, list[Taken]]:
    """How long each question took, by kind. A wrong answer ends the run."""
    times: dict[str, list[Taken]] = {kind: [] for kind in values}
    for kind, value in [(kind, value) for kind, ids in values.items() for value in ids]:
        began, cpu = time.perf_counter(), time.thread_time()
        found = ask(value)
        times[kind].append((time.perf_counter() - began, time.thread_time() - cpu))
        assert found == there, (kind, value, found)
    return times


def report(title: str, times: dict[str, list[Taken]]) -> None:
    """A line a kind, and one for all."""
    print(f"{title} (load of the machine {os.getloadavg()[0]:.1f})")
    for kind, taken in times.items():
        print(line(kind, taken))
    print(line("all kinds", [t for taken in times.values() for t in taken]), flush=True)


@contextmanager
def console(store: str) -> Iterator[tuple[RecordStore, Callable[[str], bool]]]:
    """The records of a store that a setting names, and what asks the console's interface over it, without a socket."""
    with tempfile.TemporaryDirectory() as folder:
        service = build(Settings(store=store, mask_key=SecretStr("bench"), secret_key=SecretStr("bench"), spool=f"{folder}/spool"))
        try:
            app = create_app(console_parts(service), ConsoleSettings("http://console", "bench"))
            secret = service.accounts.create_token("bench", "support", service.clock())[1].written()
            client, headers = app.test_client(), {"Authorization": f"Bearer {secret}"}

            def ask(value: str) -> bool:
                body = client.get("/api/v1/lookup", query_string={"q": value}, headers=headers).get_json()
                return body["matched"] is not None

            yield service.stores.records, ask
        finally:
            service.stop()


def warm(title: str, records: int, store: str) -> None:
    """Look-ups one after the other."""
    with console(store) as (kept, answer):
        for what, ask in (("find", finds(kept)), ("answer", answer)):
            measure(ask, present(records, WARM // 3, 1), there=True)
            report(f"{title}, {what}, warm, present", measure(ask, present(records, WARM, 2), there=True))
            report(f"{title}, {what}, warm, absent", measure(ask, absent(WARM, 3), there=False))


def embedded(records: int) -> None:
    """The embedded store."""
    source = kept_data.embedded(records)
    with tempfile.TemporaryDirectory(dir=kept_data.CACHE) as name:
        folder = Path(name) / "data"
        shutil.copytree(source, folder)
        sizes = {stem: sum(f.stat().st_size for f in (folder / "records").glob(f"{stem}-*")) for stem in ("day", "ids", "spans")}
        entries, known = ledger_ids(folder / "records")
        print(f"embedded, {records:,} records: days {sizes['day'] / 2**20:,.0f} MiB, span index {sizes['spans'] / 2**20:,.1f} MiB, "
              f"ledger {sizes['ids'] / 2**20:,.1f} MiB for {known:,} IDs: {sizes['ids'] / known:.1f} bytes an ID, "
              f"{sizes['ids'] / entries:.1f} an ID and minute")
        cold: dict[str, list[Taken]] = {}
        for seed in range(6):
            forget_pages(folder)
            store = EmbeddedRecordStore(folder)
            for kind, taken in measure(finds(store), present(records, COLD, 20 + seed), there=True).items():
                cold.setdefault(kind, []).extend(taken)
            store.close()
        report("embedded, find, cold, present", cold)
        warm("embedded", records, f"embedded:{folder}")


def elastic(records: int) -> None:
    """One node of its own, filled first; then its days are dropped, for the bytes of the ledger."""
    with tempfile.TemporaryDirectory() as name, running_node(Path(name), heap="2g", java_options="") as url:
        client = connect(ElasticSettings(hosts=(url,)))
        store = ElasticRecordStore(client, replicas=0)
        seconds = kept_data.fill(store, records)
        print(f"elasticsearch, {records:,} records: filled in {seconds:,.0f} s")
        warm("elasticsearch", records, url)
        kept.roll_ups(store)
        kept.searches(store)
        for signal, days in store.counts().days.items():
            for day in days:
                store.drop_day(signal, day)
        known = sum(len(set(values)) for values in ids_of(records).values())
        gone = present(records, WARM, 2)
        gone.pop("span_id")
        for state in ("a run a day and signal", "a run a month"):
            client.indices.flush(index=LEDGER)
            size = client.indices.stats(index=LEDGER, metric="store")["_all"]["total"]["store"]["size_in_bytes"]  # no translog
            print(f"elasticsearch, ledger, {state}: {size / 2**20:,.1f} MiB for {known:,} IDs: {size / known:.2f} bytes an ID")
            report(f"last seen, dropped, {state}", measure(lambda value: bool(store.last_seen(value)), gone, there=True))
            store.tend(kept_data.END_NS, ledger_days=kept_data.LEDGER_DAYS)
        store.close()


def ids_of(records: int) -> Values:
    """Every ID of a data set but span IDs."""
    values = _texts(kept_data.ids(np.arange(kept_data.calls_in(records), dtype=np.int64)))
    values.pop("span_id")
    return values


def ledger_ids(folder: Path) -> tuple[int, int]:
    """Entries and distinct IDs of the sealed files of a folder."""
    hashes = [SortedIds.open(file).hashes for file in folder.glob("ids-*")]
    return sum(map(len, hashes)), len(np.unique(np.concatenate(hashes)))


def finds(store: RecordStore) -> Callable[[str], bool]:
    """Asks the store itself."""
    return lambda value: bool(store.find(value))


def forget_pages(folder: Path) -> None:
    """Throw the files out of the page cache; what is dirty is written first."""
    os.sync()
    for file in folder.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def _texts(values: dict[str, Any]) -> Values:
    return {kind: [value for value in array.to_pylist() if value] for kind, array in values.items()}


def main() -> None:
    """Print the figures."""
    records = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 1_000_000)
    (elastic if "--elastic" in sys.argv else embedded)(records)


if __name__ == "__main__":
    main()
