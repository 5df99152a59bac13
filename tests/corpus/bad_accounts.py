"""Bad accounts of cohorts, each shown, and each asked for room."""

from pathlib import Path

from tests.corpus.asks import command
from tests.corpus.damages import (
    LFS_POINTER,
    Damage,
    at,
    both_of,
    content,
    cut,
    cut_end,
    linked,
    made_folder,
    marked,
    recoded,
    removed,
    written,
    zeros,
)
from tests.corpus.kind import Accepted, Refused, kinds

LINES, HEAD, KEY = at("ward/account.log"), at("ward/head"), at("ward/key")


def _rights(mode: int) -> Damage:
    return lambda root: KEY(root).chmod(mode)


def _lines(order: slice | list[int]) -> Damage:
    def change(data: bytes) -> bytes:
        found = data.splitlines(keepends=True)
        return b"".join(found[order] if isinstance(order, slice) else [found[place] for place in order])

    return content(LINES, change)


def _folder(root: Path) -> list[object]:
    return ["account", "show", root / "ward"]


_SHOW = command("account show", "account", _folder)
_VERIFY = command("account verify", "account", lambda root: ["account", "verify", root / "ward"])
_NONE = Refused(r"ward is no account \(account\.log is missing there\)")
_UNREADABLE = Refused(r"account\.log is a part of this account, but it cannot be read")
_ENDS = Refused(r"lines were removed at the end")
_LINE = Refused(r"Line \d of .*account\.log is not as this account has written it")
_HEAD = Refused(r"head (should have the number of lines|is not as this account has written it)")
_KEY = Refused(r"key should hold the key of this account, 64 hexadecimal digits")
_WHOLE = Accepted("the account as it was", lambda answer: "first" in answer.text and "second" in answer.text)

ROWS = [
    ("nothing in the folder", both_of(removed(LINES), removed(HEAD), removed(KEY)), _NONE),
    ("no lines", removed(LINES), _UNREADABLE),
    ("a folder in the lines' place", made_folder(LINES), _UNREADABLE),
    ("lines that link to themselves", linked(LINES, lambda path: path.name), Refused(r"account\.log")),
    ("lines of no bytes", written(LINES, ""), _ENDS),
    ("lines of zero bytes", zeros(LINES), _ENDS),
    ("half of the lines", cut(LINES, 0.5), _ENDS),
    ("lines without their last byte", cut_end(LINES, 1), _ENDS),
    ("lines in UTF-16", recoded(LINES, "utf-16"), Refused(r"account\.log")),
    ("lines with a mark of UTF-8", marked(LINES), _LINE),
    ("lines with Windows' ends", content(LINES, lambda data: data.replace(b"\n", b"\r\n")), _LINE),
    ("a pointer of Git LFS as the lines", written(LINES, LFS_POINTER), Refused(r"account\.log")),
    ("the first line gone", _lines(slice(1, None)), _ENDS),
    ("the last line gone", _lines(slice(-1)), _ENDS),
    ("the last line twice", _lines([0, 1, 2, 3, 4, 4]), _LINE),
    ("two lines swapped", _lines([0, 1, 3, 2, 4]), _LINE),
    ("100,000 brackets behind the lines", content(LINES, lambda data: data + b"[" * 100_000 + b"\n"), _LINE),
    ("a budget of 90", content(LINES, lambda data: data.replace(b"20.0", b"90.0")), _LINE),
    ("a line that was never finished", content(LINES, lambda data: data + b"a line"), _WHOLE),
    ("no head", removed(HEAD), Refused(r"head is a part of this account, but it cannot be read")),
    ("an empty head", written(HEAD, ""), _HEAD),
    ("a head of zero bytes", zeros(HEAD), _HEAD),
    ("a head of letters", written(HEAD, "a b c"), _HEAD),
    ("a head with a number of 5000 digits", written(HEAD, f"{'9' * 5000} b c"), _HEAD),
    ("a head with one line less", content(HEAD, lambda data: b"4" + data[1:]), _HEAD),
    ("no key", removed(KEY), _KEY),
    ("an empty key", written(KEY, ""), _KEY),
    ("a key of letters", written(KEY, "z" * 64), _KEY),
    ("a key of 62 digits", cut_end(KEY, 3), _KEY),
    ("a key with a mark of UTF-8", marked(KEY), _KEY),
    ("another key", written(KEY, "0" * 64), Refused(r"key is the key of another account")),
    ("a key that a group may read", _rights(0o640), Refused(r"may be read by others than its owner \(mode 0640\)")),
    ("a key that everybody may write", _rights(0o602), Refused(r"may be read by others")),
]

ACCOUNTS = [*kinds("accounts", _SHOW, ROWS), *kinds("accounts to verify", _VERIFY, ROWS[:-1:4])]
