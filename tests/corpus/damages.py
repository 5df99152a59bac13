"""Damages: small functions that make a bad file of a good one; most return a function of the input's folder."""

import codecs
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

Place = Callable[[Path], Path]
"""Finds a file in the folder of an input."""
Damage = Callable[[Path], object]
"""Makes a bad input of a good one, in its folder."""

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 123456\n" % (b"0" * 64)
WEB_PAGE = b"<!DOCTYPE html><html><body>403 Forbidden: please log in to download.</body></html>\n"


def first(pattern: str, index: int = 0) -> Place:
    """Find the first file by name that a shell pattern fits."""
    return lambda root: sorted(root.glob(pattern))[index]


def at(name: str) -> Place:
    """Find a file by its name."""
    return lambda root: root / name


def content(place: Place, change: Callable[[bytes], bytes]) -> Damage:
    """Change a file's bytes."""
    return lambda root: place(root).write_bytes(change(place(root).read_bytes()))


def text(place: Place, change: Callable[[str], str]) -> Damage:
    """Change a file's text, line ends included."""
    return content(place, lambda data: change(data.decode()).encode())


def written(place: Place, data: bytes | str) -> Damage:
    """Put bytes, or text, in a file's place."""
    return content(place, lambda _: data.encode() if isinstance(data, str) else data)


def recoded(place: Place, encoding: str) -> Damage:
    """Write a text in another encoding."""
    return content(place, lambda data: data.decode().encode(encoding))


def marked(place: Place) -> Damage:
    """Put the mark of UTF-8 before a text."""
    return content(place, lambda data: codecs.BOM_UTF8 + data)


def line_ends(place: Place, ends: str, count: int = -1) -> Damage:
    """End the lines of a text otherwise, all of them or the first few."""
    return text(place, lambda found: found.replace("\n", ends, count))


def cut(place: Place, share: float) -> Damage:
    """Keep the first part of a file."""
    return content(place, lambda data: data[: int(len(data) * share)])


def cut_end(place: Place, count: int) -> Damage:
    """Take the last bytes of a file away."""
    return content(place, lambda data: data[:-count])


def zeros(place: Place) -> Damage:
    """Put as many zero bytes in a file's place."""
    return content(place, lambda data: bytes(len(data)))


def flipped(place: Place, position: float) -> Damage:
    """Invert a byte, at a share of the file."""

    def flip(data: bytes) -> bytes:
        index = int(len(data) * position)
        return data[:index] + bytes([data[index] ^ 0xFF]) + data[index + 1 :]

    return content(place, flip)


def patched(place: Place, offset: int, data: bytes) -> Damage:
    """Overwrite bytes at an offset."""
    return content(place, lambda old: old[:offset] + data + old[offset + len(data) :])


def redrawn(place: Place, draw: Callable[[Image.Image], Image.Image], form: str = "PNG", **how: Any) -> Damage:
    """Put an image that is drawn from a file's own in its place, in any format whatever the file's name."""

    def damage(root: Path) -> None:
        path = place(root)
        with Image.open(path) as image:
            drawn = draw(image.copy())
        drawn.save(path, format=form, **how)

    return damage


def removed(place: Place) -> Damage:
    """Remove a file."""
    return lambda root: place(root).unlink()


def renamed(place: Place, name: Callable[[Path], str | bytes]) -> Damage:
    """Give a file another name, which need not be text."""

    def damage(root: Path) -> None:
        path = place(root)
        os.rename(path, os.path.join(os.fsencode(path.parent), os.fsencode(name(path))))

    return damage


def copied(place: Place, name: Callable[[Path], str | Path]) -> Damage:
    """Copy a file to another place, relative to its own folder."""

    def damage(root: Path) -> None:
        path = place(root)
        (path.parent / name(path)).write_bytes(path.read_bytes())

    return damage


def linked(place: Place, target: Callable[[Path], str | Path]) -> Damage:
    """Put a symbolic link in a file's place."""

    def damage(root: Path) -> None:
        path = place(root)
        path.unlink()
        path.symlink_to(target(path))

    return damage


def made_folder(place: Place) -> Damage:
    """Put an empty folder in a file's place."""

    def damage(root: Path) -> None:
        path = place(root)
        path.unlink()
        path.mkdir()

    return damage


def both_of(*damages: Damage) -> Damage:
    """Do one damage after the other."""

    def damage(root: Path) -> None:
        for part in damages:
            part(root)

    return damage


def nothing(root: Path) -> None:
    """Leave the input as it is."""
