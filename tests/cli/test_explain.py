"""devkit explain and completion."""

import subprocess

import pytest


def test_a_page(devkit, data):
    assert devkit("explain", "usage").stdout.startswith("# usage\n")
    assert devkit("explain", "error[usage]:").stdout.startswith("# usage\n")
    assert data("explain", "usage")["code"] == "usage"


def test_the_list(devkit, data):
    codes = [each["code"] for each in data("explain", "--list")["codes"]]
    assert "usage" in codes
    assert codes == sorted(codes)
    assert all(each["summary"] for each in data("explain", "--list")["codes"])
    assert "usage" in devkit("explain", "--list").stdout


@pytest.mark.parametrize("code", ["usag", "../usage", "\x00", "x" * 10_000])
def test_unknown(devkit, code):
    result = devkit("explain", code, code=3)
    assert "error[code-unknown]" in result.stderr
    if code == "usag":
        assert "did you mean 'usage'?" in result.stderr


def test_no_code_is_a_usage_error(devkit):
    devkit("explain", code=2)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(devkit, shell):
    assert "_DEVKIT_COMPLETE" in devkit("completion", shell).stdout
    devkit("completion", "tcsh", code=2)


def test_bash_accepts_the_script(devkit):
    script = devkit("completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=script.encode(), check=True)
