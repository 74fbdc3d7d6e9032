"""Only `triage/mask` makes MaskedRecords, and a store takes nothing else."""

from __future__ import annotations

import ast
import inspect
from typing import get_type_hints

from rules.source import calls_to, modules

from triage.ports.masked import MaskedRecords
from triage.ports.records import RecordStore
from triage.store.elastic.records import ElasticRecordStore
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.memory import MemoryRecordStore


def test_only_the_mask_makes_masked_records() -> None:
    wrong = [
        f"{module.path}:{line}" for module in modules() if module.room != "mask" for line in calls_to(module, "MaskedRecords")
    ]
    assert not wrong, f"only triage/mask may construct MaskedRecords: {wrong}"


def test_nobody_makes_them_by_another_way() -> None:
    """Neither `dataclasses.replace` on them, nor `object.__new__`, nor an alias of the class."""
    wrong = []
    for module in modules():
        if module.room in ("mask", "ports"):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.alias) and node.name == "MaskedRecords" and node.asname:
                wrong.append(f"{module.path}: import as {node.asname}")
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == "MaskedRecords":
                wrong.append(f"{module.path}:{node.lineno}: alias")
        wrong += [f"{module.path}:{line}: __new__" for line in calls_to(module, "__new__")]
    assert not wrong, "\n".join(wrong)


def test_stores_take_nothing_else() -> None:
    for store in (RecordStore, EmbeddedRecordStore, ElasticRecordStore, MemoryRecordStore):
        for method in (store.append, store.submit):
            parameters = list(inspect.signature(method).parameters)
            assert get_type_hints(method)[parameters[1]] is MaskedRecords, method


def test_who_uses_the_masks_transfer_form() -> None:
    """Bytes become MaskedRecords again only behind the door that a local command's token opens, and from our own helper processes."""
    users = {module.path for module in modules() for _ in calls_to(module, "from_bytes")
             if any(isinstance(node, ast.ImportFrom) and node.module == "triage.mask.transfer" for node in ast.walk(module.tree))}
    assert users <= {"triage/bootstrap/build.py", "triage/bootstrap/collect.py", "triage/decoding/pool.py"}
