"""What the system has against a file is a sentence, wherever it is met; what a program did wrong is not."""

import errno
import os

import pytest

from adpfl_bench.cli import main
from adpfl_bench.files import file_trouble


def trouble(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), *names)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (trouble(errno.ENOSPC), "A file cannot be used: No space left on device. Make room"),
        (trouble(errno.EACCES, "/x/y"), "/x/y cannot be used: Permission denied."),
        (trouble(errno.EROFS, "/x/y"), "/x/y cannot be used: Read-only file system."),
        (trouble(errno.ENAMETOOLONG, "x"), "x cannot be used: File name too long."),
        (trouble(errno.ENOENT, "/x/y"), None),
        (trouble(errno.EEXIST, "/x/y"), None),
        (KeyError("x"), None),
        (OSError("no number"), None),
    ],
)
def test_a_sentence_or_none(error: BaseException, sentence: str | None) -> None:
    found = file_trouble(error)
    assert (found is None) == (sentence is None)
    assert (found or "").startswith(sentence or "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOENT])
def test_the_command_line_says_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def fail(words: list[str]) -> int:
        raise trouble(number, "somewhere")

    monkeypatch.setattr("adpfl_bench.cli.privacy.privacy", fail)
    if number == errno.ENOENT:  # which a program may have caused
        with pytest.raises(FileNotFoundError):
            main(["privacy", "run"])
        return
    assert main(["privacy", "run"]) == 1
    assert capsys.readouterr().err == (
        "adpfl-bench: somewhere cannot be used: No space left on device. Make room, mend its rights or its path, and"
        " try again.\n"
    )
