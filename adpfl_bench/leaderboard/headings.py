"""Headings of a Markdown file, and the list of contents that leads to them."""

import re

from adpfl_bench.leaderboard.formatting import escape_markdown


class Headings:
    """The headings of a file in their order, with the anchors that GitHub and the documentation site give them.

    An anchor is the heading in small letters, without punctuation and with hyphens for spaces; one that is there
    already gets a number behind it.
    """

    def __init__(self) -> None:
        self._listed: list[tuple[int, str, str]] = []
        self._times: dict[str, int] = {}

    def add(self, level: int, text: str) -> str:
        """Return the line of a heading, and remember it for the contents.

        Args:
            level: 1 for ``#`` and so on.
            text: The heading as it is read, not as it is escaped.
        """
        text = " ".join(text.split())
        self._listed.append((level, text, self._anchor(text)))
        return f"{'#' * level} {escape_markdown(text)}"

    def _anchor(self, text: str) -> str:
        plain = anchor = re.sub(r"[^\w\- ]", "", text).strip().lower().replace(" ", "-")
        while anchor in self._times:
            self._times[plain] += 1
            anchor = f"{plain}-{self._times[plain]}"
        self._times[anchor] = 0
        return anchor

    def contents(self, deepest: int) -> list[str]:
        """Return a list of links to the headings of the levels 2 to ``deepest``."""
        return [
            f"{'  ' * (level - 2)}- [{_link_text(text)}](#{anchor})"
            for level, text, anchor in self._listed
            if 2 <= level <= deepest
        ]


def _link_text(text: str) -> str:
    """A heading within the brackets of a link, which may hold brackets only behind a backslash."""
    return re.sub(r"(\\.)|([\[\]])", lambda found: found[1] or f"\\{found[2]}", escape_markdown(text))
