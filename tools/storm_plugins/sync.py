"""Answers with its input; notes the number of each call that it begins."""

import os
import time

NOTES = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def configure(config: dict) -> None:
    """Take settings."""


def execute(text: str):
    """Do what the second word says, and return the input, at `items` in pieces."""
    number, verb, *more = text.split(" ", 2)
    os.write(NOTES, f"{number}\n".encode())
    if verb == "sleep":
        time.sleep(int(more[0]) / 1000)
    elif verb == "items":
        return (text[at : at + 50_000] for at in range(0, len(text), 50_000))
    elif verb == "die":
        os._exit(3)
    elif verb == "raise":
        raise ValueError(number)
    elif verb == "garbage":
        os.write(3, os.urandom(200))
    elif verb == "flood":
        os.write(1, b"flood\n" * 20_000)
    elif verb == "spin":
        while True:
            pass
    return text
