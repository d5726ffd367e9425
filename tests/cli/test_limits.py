"""`--limit` of the commands that run plugins, and the limits that `plugin info` shows."""

import pytest

TAKES = "def execute(text):\n    return str(len(bytearray(int(text) << 20)))\n"
LOW = "[runtime.limits]\nmax_memory_mb = 24\n"


def test_the_command_line_goes_over_the_manifest(project, devkit):
    project.plugin("greedy", TAKES, more=LOW)
    refused = devkit("plugin", "run", "greedy", "64", code=1)
    assert "error[memory-limit]" in refused.stderr
    assert "--limit memory_mb=N" in refused.stderr
    assert devkit("plugin", "run", "greedy", "--limit", "memory_mb=128", "64").stdout == str(64 << 20)


def test_so_do_the_setting_and_its_variable(project, devkit, monkeypatch):
    project.plugin("greedy", TAKES, more=LOW)
    devkit("config", "set", "limits", "greedy:memory_mb=128")
    assert devkit("plugin", "run", "greedy", "64").stdout == str(64 << 20)
    monkeypatch.setenv("DEVKIT_LIMITS", "other:memory_mb=512")
    assert "error[memory-limit]" in devkit("plugin", "run", "greedy", "64", code=1).stderr


def test_a_project_cannot(project, devkit):
    project.plugin("greedy", TAKES, more=LOW)
    (project.folder / "devkit.toml").write_text('[plugins]\nlimits = ["greedy:memory_mb=128"]\n')
    assert "error[config-untrusted]" in devkit("plugin", "run", "greedy", "64", code=2).stderr
    (project.folder / "devkit.toml").write_text("[plugins]\nmax_cpu_seconds = 0\nmax_threads = 3\n")
    assert "3 " in devkit("plugin", "info", "greedy").stdout


@pytest.mark.parametrize(
    ("given", "says"),
    [("memory=1", "Did you mean memory_mb?"), ("threads=0", "from 1 to 4096"), ("x", "--limit NAME=NUMBER")],
)
def test_what_is_no_limit(project, devkit, given, says):
    project.plugin("one")
    result = devkit("plugin", "run", "one", "--limit", given, "x", code=2)
    assert "error[usage]" in result.stderr
    assert says in result.stderr


def test_info_shows_what_holds_and_why(project, devkit, data):
    project.plugin("one", more=LOW)
    devkit("config", "set", "max_threads", "9")
    devkit("config", "set", "limits", "one:cpu_seconds=7")
    found = data("plugin", "info", "one")["limits"]
    assert found["memory_mb"] == {
        "value": 24, "unit": "MiB", "by": "manifest", "key": "max_memory_mb", "error": "memory-limit",
    }  # fmt: skip
    assert found["threads"]["value"] == 9
    assert found["threads"]["by"] == "setting"
    assert found["cpu_seconds"]["by"] == "user"
    out = devkit("plugin", "info", "one").stdout
    assert "max_memory_mb (plugin.toml)" in out
    assert "max_scratch_mb (default)" in out
    assert "max_threads (" in out
    assert "config.toml:" in out


def test_a_larger_input_is_read_where_the_limit_is_raised(project, devkit):
    project.plugin("one", "def execute(text):\n    return str(len(text))\n")
    devkit("config", "set", "max_payload_mb", "1")
    large = "x" * ((1 << 20) + 10)
    assert "payload-too-large" in devkit("plugin", "run", "one", "-", input=large, code=1).stderr
    result = devkit("plugin", "run", "one", "--limit", "payload_mb=2", "-", input=large)
    assert result.stdout == str(len(large))
