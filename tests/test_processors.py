"""Work in processes: copies of this one, which end with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adpfl_bench.processors import in_parallel

said = "at the start"


def answer(item):
    return said, item, os.getpid()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes start anew")
@pytest.mark.parametrize(("forked", "word"), [(True, "meanwhile"), (False, "at the start")])
def test_copies_know_what_has_happened_since_the_start(monkeypatch, forked, word):
    monkeypatch.setattr(sys.modules[__name__], "said", "meanwhile")
    found = dict(in_parallel(answer, [1, 2, 3], "Asking", workers=2, processes=True, bar=False, forked=forked))
    assert {item: answered[:2] for item, answered in found.items()} == {item: (word, item) for item in (1, 2, 3)}
    assert os.getpid() not in {process for *_, process in found.values()}


ORPHANED = """
import os, sys, time
from pathlib import Path
from adpfl_bench.processors import in_parallel

def work(item):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(60)

list(in_parallel(work, [1, 2], "Waiting", workers=2, processes=True, bar=False, forked=True))
"""


def is_alive(process):
    try:
        status = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return status != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they go on to their end")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", ORPHANED, str(tmp_path)])
    workers = []
    for _ in range(300):
        workers = [int(path.name) for path in tmp_path.iterdir()]
        if len(workers) == 2:
            break
        time.sleep(0.05)
    assert len(workers) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(100):
        if not any(map(is_alive, workers)):
            break
        time.sleep(0.05)
    assert not any(map(is_alive, workers))
