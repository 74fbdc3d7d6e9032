"""Following files: every whole line once, whatever happens to the files, the store or the process."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from concurrent.futures import Future
from pathlib import Path

import orjson
import pytest
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from collectors import follow_state
from collectors.follow import GRACE_S, Follower
from collectors.follow_state import FollowState
from collectors.intake import Intake
from triage.domain.columns import SIGNALS
from triage.domain.records import Records
from triage.errors import ConfigError, StoreUnavailable
from triage.ports.records import Appended

NOW = 1_772_445_600_000_000_000


def line(number: int) -> bytes:
    return b'{"time":"2026-03-02T09:00:00Z","method":"GET","path":"/accounts","status":200,"request_id":"r%d"}\n' % number


class Store:
    """What was kept, by witness ID; and how often each was sent."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.sent: Counter[str] = Counter()
        self.batches: list[int] = []
        self.away = False

    def keep(self, records: Records) -> tuple[Future[Appended], int]:
        done: Future[Appended] = Future()
        if self.away:
            done.set_exception(StoreUnavailable("away"))
            return done, 0
        ids = records.calls["witness_id"]
        self.batches.append(len(ids))
        self.sent.update(ids)
        self.rows.update(zip(ids, records.calls["request_id"], strict=True))
        done.set_result(Appended(dict.fromkeys(SIGNALS, 0), dict.fromkeys(SIGNALS, 0)))
        return done, 0

    def numbers(self) -> list[int]:
        return sorted(int(name.removeprefix("r")) for name in self.rows.values())


class Rig:
    """A folder with logs, a store, and a follower that can be killed."""

    def __init__(self, folder: Path, pattern: str = "access.log", format_: str = "json") -> None:
        self.folder, self.log = folder, folder / "access.log"
        self.pattern, self.format = str(folder / pattern), format_
        self.store, self.now = Store(), 0.0
        self.follower = self.start()

    def start(self) -> Follower:
        """A new process on the same state."""
        self.intake = Intake(keep=self.store.keep, clock=lambda: NOW, retention_days=30)
        state = FollowState.open(self.folder / "state")
        self.follower = Follower((self.pattern,), self.format, self.intake, state, lambda: self.now)
        return self.follower

    def run(self) -> None:
        while self.follower.step():
            pass

    def write(self, *numbers: int, to: Path | None = None) -> None:
        with (to or self.log).open("ab") as file:
            file.write(b"".join(map(line, numbers)))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_lines_are_kept_as_they_come_and_partial_ones_wait(rig: Rig) -> None:
    rig.run()
    rig.write(1, 2)
    with rig.log.open("ab") as file:
        file.write(line(3)[:40])
    rig.run()
    assert rig.store.numbers() == [1, 2]
    with rig.log.open("ab") as file:
        file.write(line(3)[40:])
    rig.run()
    assert rig.store.numbers() == [1, 2, 3]
    assert max(rig.store.sent.values()) == 1


def test_batches_are_bounded(rig: Rig) -> None:
    rig.write(*range(4_500))
    rig.run()
    assert rig.store.batches == [2_000, 2_000, 500]


def test_a_restart_goes_on_where_the_acknowledgement_was(rig: Rig) -> None:
    rig.write(1, 2)
    rig.run()
    rig.start()
    rig.write(3)
    rig.run()
    assert rig.store.numbers() == [1, 2, 3]
    assert max(rig.store.sent.values()) == 1


def test_a_crash_between_acknowledgement_and_position_changes_nothing(rig: Rig, tmp_path: Path) -> None:
    rig.write(1, 1, 2)  # two identical lines
    rig.run()
    shutil.copytree(tmp_path / "state", tmp_path / "before")
    rig.write(1, 3)
    rig.run()
    kept = dict(rig.store.rows)
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "before").rename(tmp_path / "state")
    rig.start()
    rig.run()
    assert rig.store.rows == kept, "what is read again has the same IDs"
    assert rig.store.numbers() == [1, 1, 1, 2, 3]


def test_identical_lines_are_told_apart_beyond_a_journal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_state, "GENERATION", 3)
    for number in (1, 2, 3, 1, 4, 5, 1, 6):
        rig.write(number)
        rig.run()
        rig.follower.close()
        rig.start()
    assert rig.store.numbers() == [1, 1, 1, 2, 3, 4, 5, 6]
    assert len(list((rig.folder / "state").glob("*.lines"))) <= 3, "journals do not gather"


def test_while_the_store_is_away_nothing_more_is_read_and_nothing_is_lost(rig: Rig) -> None:
    rig.write(1, 2)
    rig.store.away = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            rig.follower.step()
    rig.write(3)
    rig.store.away = False
    rig.run()
    assert rig.store.numbers() == [1, 2, 3]


def test_rotation_by_rename_reads_the_old_file_to_its_end(rig: Rig) -> None:
    rig.write(1)
    rig.run()
    rig.write(2)
    rig.log.rename(rig.folder / "access.log.1")
    rig.write(3)
    rig.run()
    rig.write(4, to=rig.folder / "access.log.1")  # the writer still has it open
    rig.now += GRACE_S / 2
    rig.run()
    with (rig.folder / "access.log.1").open("ab") as file:
        file.write(line(5)[:-1])  # and dies within a line
    rig.run()
    rig.now += GRACE_S
    rig.run()
    assert rig.store.numbers() == [1, 2, 3, 4, 5]
    rig.now += 3 * GRACE_S
    rig.run()
    assert [position.path for position in FollowState.open(rig.folder / "state").positions] == [str(rig.log)]


def test_an_identical_line_on_both_sides_of_a_rotation_counts_twice(rig: Rig) -> None:
    rig.write(1)
    rig.run()
    rig.log.rename(rig.folder / "access.log.1")
    rig.write(1)
    rig.run()
    assert rig.store.numbers() == [1, 1]


def test_rotations_while_it_was_down_are_caught_up(rig: Rig) -> None:
    rig.write(1)
    rig.run()
    rig.follower.close()
    (rig.folder / "access.log.9").write_bytes(line(99))
    _older_than(rig.folder / "access.log.9", rig.log)
    rig.write(2)
    rig.log.rename(rig.folder / "access.log.2")
    rig.write(3)
    _newer_than(rig.log, rig.folder / "access.log.2")
    rig.log.rename(rig.folder / "access.log.1")
    rig.write(4)
    rig.start()
    rig.run()
    assert rig.store.numbers() == [1, 2, 3, 4], "all that came meanwhile, and no file from before"


def test_copy_and_truncate(rig: Rig) -> None:
    rig.write(*range(60))
    rig.run()
    rig.write(60, 61)
    shutil.copyfile(rig.log, rig.folder / "access.log.1")
    with rig.log.open("r+b") as file:
        file.truncate()
    rig.write(62)
    rig.run()
    assert rig.store.numbers() == list(range(63))
    assert max(rig.store.sent.values()) == 1


@pytest.mark.parametrize("down", [False, True])
def test_a_truncated_file_that_has_outgrown_its_old_size(rig: Rig, down: bool) -> None:
    rig.write(1)
    rig.run()
    if down:
        rig.follower.close()
    shutil.copyfile(rig.log, rig.folder / "access.log.1")
    with rig.log.open("r+b") as file:
        file.truncate()
    rig.write(2, 3, 4)
    if down:
        rig.start()
    rig.run()
    assert rig.store.numbers() == [1, 2, 3, 4]


def test_a_file_that_vanishes_and_comes_back_with_the_same_content(rig: Rig) -> None:
    rig.write(1, 2)
    rig.run()
    content = rig.log.read_bytes()
    rig.log.unlink()
    for pause in (0.0, GRACE_S, GRACE_S):
        rig.now += pause
        rig.run()
    rig.log.write_bytes(content + line(3))
    rig.run()
    assert rig.store.numbers() == [1, 2, 3]
    rig.log.unlink()
    rig.run()
    rig.write(4)  # another content
    rig.run()
    assert rig.store.numbers() == [1, 2, 3, 4]


def test_globs_find_new_files(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "*.log")
    rig.write(1)
    rig.run()
    rig.write(2, to=tmp_path / "other.log")
    (tmp_path / "old.log.gz").write_bytes(b"\x1f\x8b")
    rig.run()
    assert rig.store.numbers() == [1, 2]


def test_the_format_is_recognised_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path, format_="auto")
    rig.write(1)
    rig.run()
    with rig.log.open("ab") as file:
        file.write(b"by itself nobody would know this line\n")
    rig.run()
    assert rig.store.numbers() == [1]
    assert sum(rig.intake.counters.rejected.values()) == 1
    assert [position.kind for position in FollowState.open(tmp_path / "state").positions] == ["json"]


def test_what_nobody_recognises_is_counted_and_blocks_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, format_="auto")
    rig.log.write_bytes(b"nothing of ours\n" * 3)
    rig.run()
    rig.write(1)
    rig.run()
    assert sum(rig.intake.counters.rejected.values()) == 3
    assert rig.store.numbers() == [1]


def test_an_overlong_line_is_cut_and_counted(rig: Rig) -> None:
    rig.write(1)
    with rig.log.open("ab") as file:
        file.write(b"x" * (10 << 20))
    rig.run()
    assert rig.store.numbers() == [1]
    with rig.log.open("ab") as file:
        file.write(b"\n")
    rig.write(2)
    rig.run()
    assert rig.store.numbers() == [1, 2]
    assert rig.intake.counters.cut == 1


def test_a_newer_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "positions.json").write_bytes(orjson.dumps({"format": 2}))
    with pytest.raises(ConfigError, match="newer"):
        FollowState.open(tmp_path)
    (tmp_path / "positions.json").write_bytes(b"{")
    with pytest.raises(ConfigError, match="cannot be read"):
        FollowState.open(tmp_path)


STEPS = st.lists(st.one_of(
    st.tuples(st.just("write"), st.integers(1, 400)),
    st.tuples(st.sampled_from(["step", "rename", "kill", "away", "copy"]), st.just(0)),
), max_size=40)


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_every_line_once_however_it_is_written(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    """Any pieces of bytes, with rotations, kills and a store that goes away between any two of them."""
    rig = Rig(tmp_path_factory.mktemp("follow"))
    content = b"".join(line(number // 2) for number in range(200))  # every line is there twice
    written = 0
    rig.log.touch()
    rig.follower.step()  # a file that came and went before anybody looked would not be followed
    for number, (step, size) in enumerate(steps):
        if step == "write":
            with rig.log.open("ab") as file:
                file.write(content[written : written + size])
            written = min(written + size, len(content))
        elif step == "step":
            rig.follower.step()
        elif step == "rename" and _at_line_end(rig.log):
            rig.log.rename(rig.folder / f"access.log.{number}")
            rig.follower.step()
        elif step == "copy" and _at_line_end(rig.log):
            shutil.copyfile(rig.log, rig.folder / f"access.log.{number}")
            rig.log.write_bytes(b"")
            rig.follower.step()
        elif step == "kill":
            rig.follower.close()
            rig.start()
        elif step == "away" and written:
            rig.store.away = True
            with pytest.raises(StoreUnavailable):
                rig.follower.step()
                raise StoreUnavailable("nothing was left to read")
            rig.store.away = False
    rig.run()
    whole = content[:written].count(b"\n")
    assert rig.store.numbers() == [number // 2 for number in range(whole)]
    assert max(rig.store.sent.values(), default=1) == 1


def _at_line_end(log: Path) -> bool:
    return log.exists() and log.read_bytes().endswith(b"\n")


def _older_than(file: Path, other: Path) -> None:
    at = other.stat().st_mtime_ns - 10**9
    os.utime(file, ns=(at, at))


def _newer_than(file: Path, other: Path) -> None:
    at = other.stat().st_mtime_ns + 10**6
    os.utime(file, ns=(at, at))
