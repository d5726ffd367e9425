"""What plugins print is kept, bounded, and passed on."""

import logging

from devkit_core.events.logs import Logs


def logs(**more) -> Logs:
    return Logs(clock=lambda: 5.0, **more)


def test_lines_of_each_plugin():
    found = logs()
    one, two = found.writer("one"), found.writer("two")
    one("stdout", "hello")
    two("stderr", "other")
    one("stderr", "again")
    assert [(line.stream, line.text) for line in found.lines("one")] == [
        ("stdout", "hello"),
        ("stderr", "again"),
    ]
    assert found.lines("nobody") == []


def test_a_restart_goes_on_in_the_same_lines():
    found = logs()
    found.writer("one")("stdout", "before")
    found.writer("one")("stdout", "after")
    assert [line.text for line in found.lines("one")] == ["before", "after"]


def test_only_the_last_are_kept():
    found = logs(keep=3)
    write = found.writer("one")
    for number in range(10):
        write("stdout", str(number))
    assert [line.text for line in found.lines("one")] == ["7", "8", "9"]


def test_followers():
    found = logs()
    heard = []
    stop = found.follow(heard.append)
    write = found.writer("one")
    write("stdout", "a")
    stop()
    stop()
    write("stdout", "b")
    assert [line.text for line in heard] == ["a"]
    assert heard[0].as_dict()["plugin"] == "one"


def test_logging(caplog):
    with caplog.at_level(logging.DEBUG, "devkit.plugin"):
        logs().writer("one")("stdout", "a line")
    assert "one: a line" in caplog.text


def test_files(tmp_path):
    found = logs(folder=tmp_path / "logs")
    found.writer("quiet")
    write = found.writer("one")
    assert not (tmp_path / "logs").exists()
    write("stdout", "hello")
    found.close()
    write("stdout", "opened again")
    found.close()
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["one.log"]
    assert len((tmp_path / "logs" / "one.log").read_text().splitlines()) == 2
