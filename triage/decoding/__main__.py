"""A helper process: `python -m triage.decoding FD`, started by `triage.decoding.pool`. It ends when the service closes the socket
or dies; signals of a terminal or a service manager are for the service, which first finishes what it has accepted."""

from __future__ import annotations

import gc
import signal
import sys
from multiprocessing.connection import Connection

from triage import heap
from triage.decoding.work import Helper


def main() -> None:
    """Answer until there is nobody to answer."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    heap.bound()
    connection = Connection(int(sys.argv[1]))
    try:
        helper = Helper(connection.recv())
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)  # decoding makes many short-lived tuples and no cycles
        connection.send(True)
        while True:
            connection.send(helper.work(connection.recv()))
    except (EOFError, OSError):
        return


if __name__ == "__main__":
    main()
