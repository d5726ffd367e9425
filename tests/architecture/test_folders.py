"""Each folder of folders has a README with one line for each entry."""

import re

import pytest

# folder, and which of its entries have a line
FOLDERS = {
    "devkit_loaders": "*",
    "docs": "*",
    "docs/decisions": "*.md",
    "docs/explanation": "*.md",
    "docs/how-to": "*.md",
    "docs/reference": "*.md",
    "docs/tutorials": "*.md",
    "plugins": "*",
    "sdk": "*",
}
_ENTRY = re.compile(r"^- \[[^\]]+\]\(([^)]+)\): \S.*$", re.MULTILINE)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_readme_lists_the_folder(root, tracked, folder):
    top = root / folder
    entries = {
        path.relative_to(top).parts[0]
        for path in tracked
        if path.is_relative_to(top)
        and path.relative_to(top).match("*/*" if FOLDERS[folder] == "*" else FOLDERS[folder])
    } - {"README.md"}
    readme = (top / "README.md").read_text()
    listed = [link.split("/")[0] for link in _ENTRY.findall(readme)]
    assert listed == sorted(entries)


def test_links_lead_somewhere(tracked, root):
    broken = []
    for page in tracked:
        if page.suffix == ".md":
            text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
            for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
                if not re.match(r"[a-z]+:", link) and not (page.parent / link).exists():
                    broken.append(f"{page.relative_to(root)}: {link}")
    assert broken == []
