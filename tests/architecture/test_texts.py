"""What texts and settings may and may not say."""

import re
import tomllib

from devkit_core.config.environment import variables


def texts(tracked):
    for path in tracked:
        if path.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".sh", ""}:
            try:
                yield path, path.read_text()
            except UnicodeDecodeError:
                continue


def test_no_text_installs_the_stranger(tracked, root):
    """The name `devkit` on the package index isn't ours; ours start with devkit- and go on."""
    strange = re.compile(r"pip install (?:-\S+ )*devkit(?![-\w])")
    found = [str(path.relative_to(root)) for path, text in texts(tracked) if strange.search(text)]
    assert found == []


def test_every_member_has_one_version(root):
    members = [
        root / "pyproject.toml",
        *root.glob("devkit_*/pyproject.toml"),
        *root.glob("devkit_*/*/pyproject.toml"),
    ]
    versions = {str(path): tomllib.loads(path.read_text())["project"]["version"] for path in members}
    assert len(set(versions.values())) == 1, versions


def test_requirements_name_every_member(root):
    """requirements.txt has what devkit-platform depends on, requirements-dev.txt the other members."""
    usual, others = (
        set(re.findall(r"^-e \./([^\s[]+)", (root / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "requirements-dev.txt")
    )
    members = {
        tomllib.loads(path.read_text())["project"]["name"]: str(path.parent.relative_to(root))
        for path in root.glob("devkit_*/**/pyproject.toml")
    }
    platform = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    assert usual == {members[re.split(r"[\[ <>=]", need)[0]] for need in platform}
    assert others == set(members.values()) - usual


def test_environment_variables_are_declared(tracked, root):
    """A DEVKIT_ variable that a source or a page names is one that config/environment.py declares.

    Those of plugins' own settings have two underscores after the id.
    """
    declared = {variable.name for variable in variables()}
    strays = {}
    for path, text in texts(tracked):
        inside = path.relative_to(root).parts
        if inside[0] in {"tests", ".ci", ".github", "benchmarks", "tools", "conftest.py"}:
            continue
        names = (
            set(re.findall(r"(?<![\w/])DEVKIT_(?!PLUGIN_\w+__)[A-Z][A-Z_]*[A-Z](?![\w*])", text)) - declared
        )
        if names:
            strays["/".join(inside)] = names
    assert strays == {}
