"""Errors of the stores cross the pipe to the analysis process whole."""

from __future__ import annotations

import pickle

import pytest

from triage.errors import Conflict, StoreError, StoreFormatError, StoreUnavailable


@pytest.mark.parametrize("error", [
    Conflict("group", "g1", None, 3), StoreUnavailable("no node answers", 7), StoreFormatError("newer"), StoreError("broken"),
], ids=lambda error: type(error).__name__)
def test_an_error_of_a_store_comes_whole_over_a_pipe(error: StoreError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
