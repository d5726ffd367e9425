"""A plugin's start, memory and overhead; the command line; many plugins."""

from __future__ import annotations

from calls import GRPC, NETRPC, OURS, PIPE, POOL
from contest import Contestant, Family, Row, Task, names

FIRST, IDLE = "load to first answer", "idle plugin, each of 8"

STARTS = Family(
    "starts",
    "Starting plugins, and idle ones",
    (OURS, NETRPC, GRPC, PIPE, POOL),
    (
        Task(FIRST, "first_answer", (OURS.name, NETRPC.name, GRPC.name, PIPE.name, POOL.name), {"starts": 11},
             {"starts": 2}),
        Task(IDLE, "fleet", (OURS.name, NETRPC.name, GRPC.name), {"plugins": 8}, {"plugins": 2}, rounds=3),
        Task("100 plugins loaded", "crowd", (OURS.name,), {"plugins": 100}, {"plugins": 3}, rounds=5),
    ),
    (
        Row("load to first answer, warm zygote, confined", OURS.name, f"{FIRST}, ms", (NETRPC.name,), 0.7),
        Row("load to first answer, warm zygote, confined", OURS.name, f"{FIRST}, ms", (GRPC.name,)),
        Row("load to first answer, warm zygote, confined", OURS.name, f"{FIRST}, ms", (PIPE.name,)),
        Row("100 plugins loaded by a fresh host, s", OURS.name, "100 plugins loaded, s", (), 0.6, "≤",
            "figure"),
        Row("an idle plugin's PSS, each of 8, MiB", OURS.name, f"{IDLE}, MiB", (), 1.8, "≤", "figure"),
        Row("an idle plugin's PSS, each of 8", OURS.name, f"{IDLE}, MiB", (NETRPC.name, GRPC.name), 1, "<"),
    ),
)  # fmt: skip

IN_PARTS = Contestant("DevKit, asyncio", ("costs", "Parts"))
PLUGGY = Contestant("pluggy, no implementation", ("costs", "Pluggy", "0"))
ONE_HOOK = Contestant("pluggy, one implementation", ("costs", "Pluggy", "1"))
RUN = "start to end"
BOOKS, HOOK = "statistics and deadline of a call", "hook that nobody implements"

PARTS = Family(
    "parts",
    "What parts of a call cost",
    (IN_PARTS, PLUGGY, ONE_HOOK),
    (
        Task(BOOKS, "bookkeeping", (IN_PARTS.name,), {"pairs": 100, "calls": 200}, {"pairs": 2, "calls": 20}),
        Task(HOOK, "hooks", (IN_PARTS.name, PLUGGY.name, ONE_HOOK.name), {"pairs": 100, "calls": 200},
             {"pairs": 2, "calls": 20}),
    ),
    (
        Row("statistics and deadlines together, µs a call", IN_PARTS.name, f"{BOOKS}, µs", (), 2,
            measure="figure"),
        Row("a hook that nobody implements, µs a call", IN_PARTS.name, f"{HOOK}, µs", (PLUGGY.name,), 0.2,
            measure="figure"),
    ),
    about=(
        "Differences in the host's processor time between the same call with the part and without; 0.2 µs"
        " can hardly be told from nothing. Beside it, what pluggy takes for a hook that nobody implements."
    ),
)  # fmt: skip

LISTING = Contestant("devkit plugin list, 50 plugins", ("programs", "Listing", "50"))
IMPORTS = Contestant("python -c 'import click, pluggy'", ("programs", "Python", "import click, pluggy"))
NOTHING = Contestant("python -c pass", ("programs", "Python", "pass"))
HATCH = Contestant("hatch --version", ("programs", "Hatch"), here=False)

PROGRAMS = (LISTING, IMPORTS, NOTHING, HATCH)
COMMANDS = Family(
    "commands",
    "The command line",
    PROGRAMS,
    (Task(RUN, "run", names(PROGRAMS), {"times": 3}, {"times": 1}, rounds=15),),
    (
        Row(
            "`devkit plugin list`, 50 plugins, cache warm",
            LISTING.name,
            f"{RUN}, ms",
            (IMPORTS.name,),
            1.6,
        ),
        Row("the same, processor time", LISTING.name, f"{RUN}, processor ms", (IMPORTS.name,)),
        Row(
            "`devkit plugin list`, 50 plugins, cache warm",
            LISTING.name,
            f"{RUN}, ms",
            (HATCH.name,),
            1,
            "<",
        ),
    ),
)

DISCOVERY = Contestant("DevKit", ("programs", "Discovery"))
SCAN = "first scan of 1,000 plugins"

CATALOGUE = Family(
    "catalogue",
    "Many plugins, found and not loaded",
    (DISCOVERY,),
    (Task(SCAN, "discovery", (DISCOVERY.name,), {"plugins": 1000}, {"plugins": 20}),),
    (
        Row("1,000 discovered plugins, MiB", DISCOVERY.name, f"{SCAN}, MiB", (), 15, "≤", "figure"),
        Row("first scan of 1,000 plugins, s", DISCOVERY.name, f"{SCAN}, s", (), 0.5, "≤", "figure"),
    ),
    about="The memory is what a fresh process gains by the scan, imports that it makes included.",
)

FAMILIES = (STARTS, PARTS, COMMANDS, CATALOGUE)
