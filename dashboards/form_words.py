"""What was wrong with a form, in the words that stand beside its fields; scripts are told the names of the fields."""

from __future__ import annotations

from collections.abc import Mapping


def in_form_words(reason: str, labels: Mapping[str, str]) -> str:
    """A reason that names fields as `name`, with their labels instead."""
    for name, label in labels.items():
        reason = reason.replace(f"`{name}`", f"‘{label}’")
    return reason
