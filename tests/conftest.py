"""How the tests are run: in what order, with which fixtures, and without what only costs time."""

import atexit
import gc
import os
import signal
import sys
import typing
import warnings
from unittest.mock import patch

# What is trained here is small: a second thread costs more than it brings, and all processes must add alike.
os.environ["OMP_NUM_THREADS"] = os.environ["ADPFL_PROCESSORS"] = "1"

import pytest
from hypothesis import settings

from tests.effort import ACCIDENTS_SEED, EXAMPLES
from tests.impostors import unmask
from tests.order import is_long, long_first

FIXTURES = ("tests.toy_federation", "tests.cohorts", "tests.small_datasets")

# How long an example takes says more about the machine's other work than about the code. EXAMPLES=500 tries more.
settings.register_profile("suite", deadline=None, max_examples=EXAMPLES)
settings.load_profile("suite")
# Under nohup all processes would ignore it, and the suite leaves alone what is ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Tearing down what torch and Lightning have loaded takes seconds, and nobody waits for it.
atexit.register(gc.freeze)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session):
    """Load what tests need once pytest-cov watches; whoever only deals out tests needs neither torch nor fixtures."""
    config = session.config
    if hasattr(config, "workerinput") or config.getoption("dist", "no") == "no":
        gc.disable()
        # Nothing waits until a file would outlive a loss of power, which no test brings about: not here, not in what is
        # forked from here. What is synced, and when, is for tests that put a function of their own in its place.
        os.fsync = lambda descriptor: None
        # What libraries warn of while they are loaded is not about any test. Their types stay as written: where
        # typing still knew another's Optional[Union[float, int]], the Trainer would take a setting of 1 for 1.0.
        uncached = typing._SpecialForm.__getitem__.__wrapped__
        with warnings.catch_warnings(), patch.object(typing._SpecialForm, "__getitem__", uncached):
            warnings.simplefilter("ignore")
            for name in FIXTURES:
                config.pluginmanager.import_plugin(name)


def pytest_collection_finish():
    """What was loaded for all tests stays to the end: no garbage collection need look through it again."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop():
    """What processes are forked from is a copy of this one, before any test has run."""
    if processes := sys.modules.get("tests.processes"):
        processes.begin()
    return (yield)


def pytest_report_header():
    return f"a part of the accidents, chosen by ADPFL_ACCIDENTS_SEED={ACCIDENTS_SEED}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Long tests first, where several workers share the tests."""
    if workers := getattr(config, "workerinput", {}).get("workercount"):
        long = [item for item in items if is_long(item.nodeid)]
        short = [item for item in items if not is_long(item.nodeid)]
        items[:] = long_first(long, short, workers)


@pytest.fixture(autouse=True)
def _what_has_no_sentence_fails(monkeypatch):
    """An error that the command line has no sentence for is a test's failure, with its traceback."""

    def fail(error, words):
        raise error

    monkeypatch.setattr("adpfl_bench.cli.unexpected.say_unexpected", fail)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Nothing that a test keeps for the next run lands in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADPFL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _unmasked():
    yield
    unmask()
