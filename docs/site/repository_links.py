"""Links of pages that are read in the repository too: in the site they lead to the site's own copy."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

REPOSITORY_PAGES = {
    "README.md": "project/overview.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
    "CODE_OF_CONDUCT.md": "project/code_of_conduct.md",
    "results/README.md": "results/index.md",
    "results/leaderboard.md": "results/leaderboard.md",
}
"""Pages that lie outside docs/, and their address in the site."""

_FENCE = re.compile(r"^(?: {0,3})(```+|~~~+)", re.MULTILINE)
_FILE = re.compile(r"^(```+\w+) file=(\S+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(\]\()([^()\s]+?)(#[^()\s]*)?(\))")


def lead_into_site(text: str, origin: str, address: str, top: Path) -> tuple[str, dict[str, Path]]:
    """Rewrite a page's relative links.

    Args:
        text: The page in Markdown.
        origin: Where the page lies in the repository, which its links are relative to.
        address: Where it lies in the site.
        top: The repository.

    Returns:
        The page, and the files outside docs/ that it links to, by their address in the site. A link to nothing is left
        as it is, for MkDocs to complain of.
    """
    needed: dict[str, Path] = {}

    def led(match: re.Match[str]) -> str:
        head, target, anchor, tail = match.groups(default="")
        if re.match(r"[a-z]+:|/", target):
            return match[0]
        name = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        if name in REPOSITORY_PAGES:
            there = REPOSITORY_PAGES[name]
        elif name.startswith("docs/"):
            there = re.sub(r"\.ipynb$", ".md", name.removeprefix("docs/"))
        elif (top / name).is_file():
            there = f"files/{name}"
            needed[there] = top / name
        else:
            return match[0]
        return f"{head}{posixpath.relpath(there, posixpath.dirname(address) or '.')}{anchor}{tail}"

    return "".join(part if code else _LINK.sub(led, part) for code, part in _parts(text)), needed


def name_files(text: str) -> str:
    """Head a block of code that is a file of its own (``yaml file=clinic.yaml``) with the file's name."""
    return _FILE.sub(r'\1 title="\2"', text)


def show_pipes(text: str) -> str:
    """Write code with a pipe in a table as GitHub shows it: Python-Markdown would show the backslash too."""
    lines = text.split("\n")
    return "\n".join(_CODE.sub(_as_html, line) if line.startswith("|") else line for line in lines)


def _as_html(match: re.Match[str]) -> str:
    if "\\|" not in match[1]:
        return match[0]
    shown = match[1].replace("\\|", "|")
    return f"<code>{''.join(c if c.isalnum() or c == ' ' else f'&#{ord(c)};' for c in shown)}</code>"


def _parts(text: str) -> list[tuple[bool, str]]:
    """Cut a page at its fences: (whether it is code, the part)."""
    parts: list[tuple[bool, str]] = []
    start, fence = 0, ""
    for match in _FENCE.finditer(text):
        if not fence:
            parts.append((False, text[start : match.start()]))
            start, fence = match.start(), match[1]
        elif match[1].startswith(fence):
            parts.append((True, text[start : match.end()]))
            start, fence = match.end(), ""
    return [*parts, (bool(fence), text[start:])]
