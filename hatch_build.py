"""README as the index of packages shows it: with pictures and links at the repository's address, or without them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

REPOSITORY = "Repository"
"""The one place that has the repository's address: this key of ``project.urls`` in pyproject.toml."""

_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z]+:|#")


class ReadmeHook(MetadataHookInterface):
    """Metadata hook of hatchling that sets the readme, and the addresses that follow from the repository's."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set readme and addresses of the package."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        urls = metadata.setdefault("urls", {})
        address = urls.get(REPOSITORY)
        if address is not None:
            metadata["urls"] = {**links(address), **urls}
        version = re.search(r'__version__ = "(.+)"', (Path(self.root) / "adpfl_bench/__init__.py").read_text())
        assert version is not None
        metadata["readme"] = {"content-type": "text/markdown", "text": index_page(readme, address, f"v{version[1]}")}


def links(address: str) -> dict[str, str]:
    """Return the addresses that follow from the repository's."""
    address = address.rstrip("/")
    return {"Changelog": f"{address}/blob/HEAD/CHANGELOG.md", "Issues": f"{address}/issues"}


def index_page(readme: str, address: str | None, tag: str) -> str:
    """Lead what README shows and links within the repository to its address.

    Args:
        readme: The page in Markdown.
        address: That of the repository on the web; ``None`` where it has none, so that pictures are left out, and links
            keep their text alone: an address that leads nowhere would be worse.
        tag: The version's tag in the repository.
    """

    def led(match: re.Match[str]) -> str:
        if _ELSEWHERE.match(match["target"]):
            return match[0]
        if address is None:
            return "" if match["picture"] else match["text"]
        kind = "raw" if match["picture"] else "blob"
        return f"{match['picture']}[{match['text']}]({address.rstrip('/')}/{kind}/{tag}/{match['target']})"

    return re.sub(r"\n{3,}", "\n\n", _LINK.sub(led, readme))
