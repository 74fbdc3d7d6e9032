"""Labelled log lines of five kinds of software, made by a seeded generator: what template mining is measured on.

Each line of a system's text is one template; `{name}` stands for a value. The templates are written after the manner of
databases, brokers, clusters, hosts and applications at large; the label of a line is the template that it was made from.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_DATABASE = r"""connection received: host={ip} port={n}
connection authorized: user={name} database={table} application_name={pod}
password authentication failed for user "{name}"
role "{name}" does not exist
database "{table}" does not exist
relation "{table}" does not exist at character {n}
duplicate key value violates unique constraint "{table}_pkey"
deadlock detected
checkpoint starting: time
checkpoint starting: immediate force wait
checkpoint complete: wrote {n} buffers ({n}.1%); {n} WAL file(s) added, {n} removed, {n} recycled
automatic vacuum of table "bank.public.{table}": index scans: {n}
automatic analyze of table "bank.public.{table}" system usage: CPU: user: {n}.2 s
could not open file "{path}": No such file or directory
could not open file "{path}": Permission denied
process {n} still waiting for ShareLock on transaction {n} after {n}.123 ms
process {n} acquired ShareLock on transaction {n} after {n}.123 ms
terminating connection due to administrator command
canceling statement due to statement timeout
canceling statement due to user request
database system is ready to accept connections
database system is shut down
received fast shutdown request
parameter "{table}_cost" changed to "{n}"
temporary file: path "base/pgsql_tmp/pgsql_tmp{n}.{n}", size {n}
could not receive data from client: Connection reset by peer
could not send data to client: Broken pipe"""

_BROKER = r"""[Controller id={n}] Processing automatic preferred replica leader election
[Partition {topic}-{n} broker={n}] Shrinking ISR from {n},{n} to {n}
[Partition {topic}-{n} broker={n}] Expanding ISR from {n} to {n},{n}
[GroupCoordinator {n}]: Preparing to rebalance group {topic} in state Stable with old generation {n}
[GroupCoordinator {n}]: Preparing to rebalance group {topic} in state Empty with old generation {n}
[GroupCoordinator {n}]: Stabilized group {topic} generation {n} with {n} members
[GroupCoordinator {n}]: Member {name}-{hex} in group {topic} has failed, removing it from the group
Created log for partition {topic}-{n} in {path} with properties
Deleting segment {n} from log {topic}-{n}.
Rolled new log segment at offset {n} in {n} ms.
Loading class {cls} for plugin {cls}
Registered broker {n} at path /brokers/ids/{n} with addresses: {host}:{n}
Error sending fetch request (sessionId={n}, epoch=INITIAL) to node {n}: java.nio.channels.ClosedChannelException
Error sending fetch request (sessionId={n}, epoch=INITIAL) to node {n}: java.net.SocketTimeoutException
Session expired for {name} at {host}
Consumer group {topic} is {kv}
enable.auto.commit = {bool}
Kafka version: {n}.1.0
Kafka commitId: {hex}
[Log partition={topic}-{n}] Found deletable segments with base offsets {nlist} due to retention time {n}ms breach
Topics to delete: {list}"""

_CLUSTER = r"""Successfully assigned default/{pod}-{hex}-{hash} to {host}
Pulling image "registry.example/{pod}:{n}"
Successfully pulled image "registry.example/{pod}:{n}" in {dur}
Created container {pod}
Started container {pod}
Stopping container {pod}
Back-off restarting failed container {pod} in pod {pod}-{hex}_default({hex})
Liveness probe failed: HTTP probe failed with statuscode: {n}
Readiness probe failed: HTTP probe failed with statuscode: {n}
Readiness probe failed: dial tcp {ip}:{n}: connect: connection refused
Readiness probe failed: dial tcp {ip}:{n}: i/o timeout
Scaled up replica set {pod}-{hex} to {n}
Scaled down replica set {pod}-{hex} to {n}
MountVolume.SetUp failed for volume "{pod}-config" : configmap "{pod}-config" not found
MountVolume.SetUp failed for volume "{pod}-tls" : secret "{pod}-tls" not found
Node {host} status is now: NodeReady
Node {host} status is now: NodeNotReady
Evicted pod {pod}-{hex} used {size} of memory, limit {size}
Deleted pod: {pod}-{hex}-{hash}
node "{host}" hasn't been updated for {dur}. Last Ready is: {bool}
syncing pods {list} took {dur}"""

_HOST = r"""Started {unit}.service.
Stopped {unit}.service.
Starting {unit}.service...
{unit}.service: Main process exited, code=exited, status={n}/FAILURE
{unit}.service: Failed with result 'exit-code'.
{unit}.service: Failed with result 'timeout'.
New session {n} of user {name}.
Removed session {n}.
session opened for user {name} by (uid={n})
session closed for user {name}
{dev}: link up, {n}Mbps, full-duplex
{dev}: link down
Out of memory: Killed process {n} ({pod}) total-vm:{n}kB, anon-rss:{n}kB
Mounted {path}.
Unmounted {path}.
reverse lookup for {host} [{ip}] failed
({name}) CMD ({path} --quiet)
usb {n}-{n}: new high-speed USB device number {n} using xhci_hcd
usb {n}-{n}: USB disconnect, device number {n}
{unit} startup succeeded
{unit} shutdown succeeded
clock stepped by {dur} at {date}
Accepted publickey for {name} from {ip} port {n}
Accepted password for {name} from {ip} port {n}
config file {file} reloaded by {name}
config file {file} is broken
neighbour {mac} announced {ip6} on {dev}
proxying requests to {pod}.bank.example:{n}
key rolled on {date} for {name}@bank.example
SELinux is preventing {unit} from read access on the file {file}.
audit: backlog limit exceeded"""

_APPLICATION = r"""User {name} logged in from {ip}
User {name} logged out
User {name} failed to log in from {ip}: bad password
User {name} failed to log in from {ip}: account locked
Loaded {n} rows from {table} in {dur}
Saved {size} to {path}
Cache {table} hit ratio {n}%
Cache {table} cleared by {name}
Sending mail to {name}@example.com
Job {table} started
Job {table} finished in {dur}
Job {table} failed: {cls}Exception
Order {n} of {name} shipped to {host}
Order {n} of {name} cancelled
retrying (Retry(total={n}, connect=None, read={n}, redirect=None)) after connection broken
GET {path} {n} {n}
POST {path} {n} {n}
Property {table}.enabled set to {bool}
Feature {table} is enabled: {yn}
lock={n} tag="{pod}" owner={name} held={bool}
lock={n} released tag="{pod}" owner={name}
Connected
Disconnected
Ready
state changed from IDLE to RUNNING
state changed from RUNNING to IDLE
state changed from RUNNING to FAILED"""

SYSTEMS = {
    "database": _DATABASE,
    "broker": _BROKER,
    "cluster": _CLUSTER,
    "host": _HOST,
    "application": _APPLICATION,
}

_NAMES = [
    "alice",
    "bob",
    "carol",
    "dave",
    "erin",
    "frank",
    "grace",
    "heidi",
    "ivan",
    "judy",
    "mallory",
    "niaj",
    "olivia",
    "peggy",
    "rupert",
    "sybil",
    "trent",
    "victor",
]
_TABLES = [
    "orders",
    "customers",
    "invoices",
    "payments",
    "sessions",
    "events",
    "audit",
    "products",
    "stock",
    "carts",
    "users",
    "roles",
]
_PODS = ["api", "web", "worker", "cache", "ledger", "search", "mailer", "cron", "gateway", "billing", "auth", "reports"]
_UNITS = [
    "sshd",
    "cron",
    "nginx",
    "postgresql",
    "docker",
    "rsyslog",
    "chrony",
    "NetworkManager",
    "polkit",
    "udisks",
    "bluetooth",
    "cups",
    "avahi-daemon",
]
_HOSTS = [f"{name}.corp.example.com" for name in ("ares", "zeus", "hera", "apollo", "athena", "hermes", "artemis", "demeter")]
_CLASSES = ["Loader", "Writer", "Mapper", "Client", "Cache", "Router", "Codec", "Timer"]


def labelled_lines(system: str, lines: int, seed: int) -> tuple[list[str], list[str]]:
    """Messages and their labels: every template once, then some far more often than others."""
    source = random.Random(seed)
    templates = SYSTEMS[system].split("\n")
    weights = [1 / (1 + rank) ** 0.8 for rank in range(len(templates))]
    source.shuffle(weights)
    labels = [*templates, *source.choices(templates, weights, k=lines - len(templates))]
    values = _values(source)
    return [re.sub(r"\{(\w+)\}", lambda found: values[found[1]](), label) for label in labels], labels


def _values(source: random.Random) -> dict[str, Callable[[], str]]:
    number, pick = source.randint, source.choice
    return {
        "n": lambda: str(number(0, 99_999)),
        "name": lambda: pick(_NAMES),
        "table": lambda: pick(_TABLES),
        "pod": lambda: pick(_PODS),
        "unit": lambda: pick(_UNITS),
        "host": lambda: pick(_HOSTS),
        "ip": lambda: ".".join(str(number(1, 254)) for _ in range(4)),
        "ip6": lambda: f"fe80::{number(1, 65535):x}:{number(1, 65535):x}:{number(1, 65535):x}",
        "mac": lambda: ":".join(f"{number(0, 255):02x}" for _ in range(6)),
        "hash": lambda: "".join(source.choices("bcdfghjklmnpqrstvwxz2456789", k=5)),
        "hex": lambda: f"{source.getrandbits(48):012x}",
        "bool": lambda: pick(("true", "false")),
        "yn": lambda: pick(("yes", "no")),
        "size": lambda: pick(("{} B", "{}.5 KB", "{}.25 MB", "{} GB")).format(number(1, 900)),
        "dur": lambda: pick(("{} ms", "{}.25s", "{} seconds", "1 minute")).format(number(2, 900)),
        "path": lambda: "".join(f"/{part}" for part in source.choices(_TABLES + _PODS, k=number(1, 4))),
        "file": lambda: f"{pick(_TABLES)}.{pick(('conf', 'log', 'yaml', 'py'))}",
        "dev": lambda: pick(("sda", "sdb", "eth0", "eth1", "lo", "docker0")),
        "cls": lambda: f"com.acme.{pick(_PODS)}.{pick(_CLASSES)}",
        "topic": lambda: f"{pick(_TABLES)}-{pick(('in', 'out', 'dlq'))}",
        "list": lambda: ", ".join(source.sample(_PODS, number(1, 4))),
        "nlist": lambda: "[" + ", ".join(str(number(1, 99)) for _ in range(number(1, 5))) + "]",
        "kv": lambda: pick(("idle", "busy", "draining")),
        "date": lambda: f"Tue Nov {number(1, 30)} {number(0, 23):02d}:{number(0, 59):02d}:{number(0, 59):02d} 2026",
    }
