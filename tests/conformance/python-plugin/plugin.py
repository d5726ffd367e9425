"""Does what the conformance suite asks."""

import os
import socket
import subprocess
import sys
import time

counted = 0


def initialize():
    match os.environ.get("CONFORMANCE_INIT"):
        case "raise":
            raise RuntimeError("initialize was told to fail")
        case "hang":
            time.sleep(3600)


def execute(text: str) -> str:
    global counted
    verb, _, argument = text.partition(" ")
    match verb:
        case "echo":
            return argument
        case "count":
            counted += 1
            return str(counted)
        case "raise":
            raise ValueError(argument)
        case "exit":
            os._exit(3)
        case "hang":
            while True:
                time.sleep(3600)
        case "sleep":
            time.sleep(int(argument) / 1000)
            return "slept"
        case "print":
            print(argument)
            print(argument, file=sys.stderr)
            return "printed"
        case "flood":
            line = "f" * 99 + "\n"
            for _ in range(int(argument) // 100):
                sys.stdout.write(line)
            return "flooded"
        case "big":
            return "x" * int(argument)
        case "alloc":
            return "allocated" if b"\1" * (int(argument) << 20) else ""
        case "spawn":
            subprocess.run(["/bin/true"], check=True)
            return "started"
        case "read":
            with open(argument) as file:
                return file.read()
        case "write":
            with open(argument, "w") as file:
                file.write("x")
            return "written"
        case "connect":
            with socket.create_connection(("127.0.0.1", int(argument)), timeout=2):
                return "connected"
        case "env":
            return os.environ.get(argument, "")
        case "pid":
            return str(os.getpid())
    raise ValueError(f"no such verb: {verb}")


def shutdown():
    print("goodbye")
