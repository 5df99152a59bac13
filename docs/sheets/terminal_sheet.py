"""Draws a terminal as a command leaves it at some moment: a picture of text, without anything from elsewhere.

    python -m docs.sheets.terminal_sheet docs/images/first_minute.svg --until 'Round 9/40' -- \
        adpfl-bench fit --config tasks/isic.yaml --config callbacks/adp_fl_quantile.yaml \
        --config configs/from_phantoms.yaml --data.root ISIC2017

The command runs in a terminal of its own (pyte). When its screen shows what ``--until`` says it is drawn, and the
command is stopped; without it the last screen is drawn.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pyte
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

_GRACE_S = 30.0
_FONTS = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)
_FAMILY = "Fira Code"


def run_in_terminal(command: Sequence[str], columns: int, lines: int, until: str | None) -> pyte.Screen:
    """Run a command in a terminal, and return its screen when it shows something, or when the command has ended.

    Raises:
        SystemExit: It ended and never showed that.
    """
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execvp(command[0], list(command))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    shown = until is None
    try:
        while (part := _read(terminal)) is not None:
            stream.feed(part)
            if until is not None and re.search(until, "\n".join(screen.display)):
                shown = True
                break
    finally:
        _stop(process, terminal)
    if not shown:
        raise SystemExit(f"{' '.join(command)} ended without showing {until}:\n" + "\n".join(screen.display))
    return screen


def _read(terminal: int) -> bytes | None:
    """What the command has written; ``None`` at its end."""
    try:
        return os.read(terminal, 65536) or None
    except OSError:  # how Linux says that nobody has the other side open any more
        return None


def _stop(process: int, terminal: int) -> None:
    """End the command as Ctrl-C does, and read what it still says, so that it is not kept from ending."""
    end = time.monotonic() + _GRACE_S
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        os.kill(process, signal.SIGINT if time.monotonic() < end else signal.SIGKILL)
        if select.select([terminal], [], [], 1.0)[0]:
            _read(terminal)
    os.close(terminal)


def screen_text(screen: pyte.Screen) -> Text:
    """What a screen shows, with colours, without the empty lines below."""
    text = Text(no_wrap=True)
    lines = len(_cut(screen))
    for row in range(lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            colour = "" if cell.fg == "default" else f"#{cell.fg}" if re.fullmatch("[0-9a-f]{6}", cell.fg) else cell.fg
            text.append(cell.data, f"{'bold ' if cell.bold else ''}{colour.replace('brown', 'yellow')}".strip())
        text.append("\n" if row < lines - 1 else "")
    return text


def _cut(screen: pyte.Screen) -> list[str]:
    return "\n".join(line.rstrip() for line in screen.display).rstrip("\n").split("\n")


def draw(screen: pyte.Screen, title: str) -> str:
    """Return the screen as SVG, in whatever fixed font the reader has."""
    console = Console(record=True, width=screen.columns, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(screen_text(screen), crop=True)
    svg = _FONTS.sub("", console.export_svg(title=title, theme=MONOKAI, unique_id="terminal"))
    return svg.replace(f"{_FAMILY}, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace")


def main() -> None:
    """Draw the command that the command line names."""
    parser = argparse.ArgumentParser(description="Draw a command's terminal as SVG.")
    parser.add_argument("output", type=Path)
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--lines", type=int, default=24)
    parser.add_argument("--until", help="Regular expression of what the screen shows when it is drawn.")
    parser.add_argument("--title", help="By default the command.")
    arguments, command = parser.parse_known_args(sys.argv[1:])
    command = command[1:] if command[:1] == ["--"] else command
    screen = run_in_terminal(command, arguments.columns, arguments.lines, arguments.until)
    arguments.output.write_text(draw(screen, arguments.title or " ".join(command)), encoding="utf-8")
    print("\n".join(_cut(screen)))


if __name__ == "__main__":
    main()
