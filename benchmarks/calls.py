"""Calls of a Python plugin: one at a time, 64 in flight, small and large."""

from __future__ import annotations

from contest import Contestant, Family, Row, Task, names

OURS = Contestant("DevKit, asyncio", ("hosts", "Asyncio"))
UVLOOP = Contestant("DevKit, uvloop", ("hosts", "Uvloop"))
BLOCKING = Contestant("DevKit, blocking", ("hosts", "Blocking"))
FLOOR = Contestant("floor: asyncio BufferedProtocol", ("floors", "Asyncio"))
UVLOOP_FLOOR = Contestant("floor: uvloop", ("floors", "Uvloop"))
BLOCKING_FLOOR = Contestant("floor: blocking socketpair", ("floors", "Blocking"))
NETRPC = Contestant("go-plugin net/rpc", ("goplugin", "netrpc"), here=False)
GRPC = Contestant("go-plugin gRPC", ("goplugin", "grpc"), here=False)
PIPE = Contestant("multiprocessing.Pipe (fork)", ("peers.python", "Pipe"))
POOL = Contestant("ProcessPoolExecutor(1, fork)", ("peers.python", "Pool"))
EXECNET = Contestant("execnet", ("peers.python", "Execnet"), here=False)
RPYC = Contestant("RPyC", ("peers.python", "Rpyc"), here=False)
PYRO = Contestant("Pyro5", ("peers.python", "Pyro"), here=False)

#: neighbours in the order that rounds take
ALL = (
    *(OURS, FLOOR, NETRPC, UVLOOP, UVLOOP_FLOOR, GRPC, BLOCKING, BLOCKING_FLOOR),
    *(PIPE, POOL, EXECNET, RPYC, PYRO),
)
#: those whose place on the cores decides
CLOSE = (OURS, FLOOR, NETRPC, UVLOOP, UVLOOP_FLOOR, BLOCKING, BLOCKING_FLOOR, PIPE)
GO = names((NETRPC, GRPC))
PYTHON_PEERS = names((PIPE, POOL, EXECNET, RPYC, PYRO))
ONE = "100 B one at a time"
PLACES = {"": ONE, ", two cores": f"{ONE}, two cores", ", one core": f"{ONE}, one core"}
_COUNT, _QUICK = {"size": 100, "calls": 1500}, {"calls": 60}


def _rows(where: str, label: str) -> tuple[Row, ...]:
    metric = f"{label}, µs"
    what = f"100 B, one at a time{where}"
    asyncio, uvloop, blocking = f"{what}: asyncio", f"{what}: uvloop", f"{what}: blocking"
    return (
        Row(asyncio, OURS.name, metric, (FLOOR.name,), 1.4),
        Row(asyncio, OURS.name, metric, (NETRPC.name,), 0.6),
        Row(uvloop, UVLOOP.name, metric, (UVLOOP_FLOOR.name,)),
        Row(uvloop, UVLOOP.name, metric, (NETRPC.name,), 0.45),
        Row(blocking, BLOCKING.name, metric, (BLOCKING_FLOOR.name,), 1.4),
        Row(blocking, BLOCKING.name, metric, (NETRPC.name,), 0.3),
        Row(blocking, BLOCKING.name, metric, PYTHON_PEERS),
    )


ONE_AT_A_TIME = Family(
    "calls",
    "Calls of 100 bytes, one at a time",
    ALL,
    (
        Task(ONE, "sequential", names(ALL), _COUNT, _QUICK, rounds=11),
        Task(PLACES[", two cores"], "sequential", names(CLOSE), _COUNT, _QUICK, rounds=11, cores="two"),
        Task(PLACES[", one core"], "sequential", names(CLOSE), _COUNT, _QUICK, rounds=11, cores="one"),
    ),
    tuple(row for where, label in PLACES.items() for row in _rows(where, label)),
    about=(
        "Two processes that take turns run on one core or on two, as the kernel likes, and waking the other"
        " core can cost several times the call. So the same calls are also measured with host and plugin kept"
        " on a core each, and both on one."
    ),
)

MANY = "100 B 64 in flight"
FLIGHT_PLACES = {"": MANY, ", two cores": f"{MANY}, two cores"}
_FLIGHT_COUNT, _FLIGHT_QUICK = {"size": 100, "calls": 9600}, {"calls": 640}


def _flight_rows(where: str, label: str) -> tuple[Row, ...]:
    metric = f"{label}, calls/s"
    what = f"100 B, 64 in flight{where}"
    return (
        Row(f"{what}: asyncio", OURS.name, metric, (FLOOR.name,), 0.7, "≥"),
        Row(f"{what}: uvloop", UVLOOP.name, metric, (UVLOOP_FLOOR.name,)),
        Row(f"{what}: blocking `map`", BLOCKING.name, metric, (BLOCKING_FLOOR.name,), 0.7, "≥"),
    )


FLIGHT = Family(
    "flight",
    "Calls of 100 bytes, 64 in flight",
    ALL,
    (
        Task(MANY, "flight", names(ALL), _FLIGHT_COUNT, _FLIGHT_QUICK, rounds=9, processor=True),
        Task(FLIGHT_PLACES[", two cores"], "flight", names(CLOSE), _FLIGHT_COUNT, _FLIGHT_QUICK, rounds=9,
             cores="two"),
    ),
    (
        *_flight_rows("", MANY),
        Row("100 B, 64 in flight: asyncio, best round of these", OURS.name, f"{MANY}, calls/s", GO, 2, "≥",
            best_round=True),
        Row("100 B, 64 in flight: asyncio", OURS.name, f"{MANY}, calls/s", (POOL.name,), 12, "≥"),
        *_flight_rows(", two cores", FLIGHT_PLACES[", two cores"]),
        *(
            Row("processor µs a call, host and plugin: asyncio", OURS.name, f"{MANY}, processor µs", peers)
            for peers in ((FLOOR.name,), GO, (POOL.name,))
        ),
    ),
    about=(
        "For the blocking floor a thread writes frames made before, and what comes back is only counted. The"
        " processor time of a call hardly depends on what else the machine does."
    ),
)  # fmt: skip

LARGE = (OURS, NETRPC, UVLOOP, GRPC, BLOCKING, PIPE)
KIB, MIB = {"size": 64 << 10, "calls": 600}, {"size": 1 << 20, "calls": 60}

PAYLOADS = Family(
    "payloads",
    "Large payloads",
    LARGE,
    (
        Task("64 KiB one at a time", "sequential", names(LARGE), KIB, {"calls": 20}),
        Task("1 MiB one at a time", "sequential", names(LARGE), MIB, {"calls": 3}),
        Task("1 MiB 64 in flight", "flight", names(LARGE), {**MIB, "calls": 256}, {"calls": 64}),
    ),
    (
        Row("64 KiB, one at a time, asyncio", OURS.name, "64 KiB one at a time, µs", GO, 0.6),
        Row("64 KiB, one at a time, blocking", BLOCKING.name, "64 KiB one at a time, µs", GO),
        Row("1 MiB, one at a time, asyncio", OURS.name, "1 MiB one at a time, µs", GO, 0.4),
        Row("1 MiB, one at a time, blocking", BLOCKING.name, "1 MiB one at a time, µs", GO),
        Row("1 MiB, 64 in flight, asyncio", OURS.name, "1 MiB 64 in flight, calls/s", GO, 2, "≥"),
        Row("1 MiB, 64 in flight, blocking `map`", BLOCKING.name, "1 MiB 64 in flight, calls/s", GO),
    ),
)

FAMILIES = (ONE_AT_A_TIME, FLIGHT, PAYLOADS)
