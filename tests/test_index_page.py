"""README as the index of packages shows it has no picture and no link that leads nowhere."""

import importlib.util
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
README = (TOP / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def index_page():
    spec = importlib.util.spec_from_file_location("hatch_build", TOP / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.index_page


def within(page):
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", page) if not re.match("https?:|#", target)]


def test_with_an_address_everything_is_found_there(index_page):
    page = index_page(README, "https://example.org/us/it/", "v0.1.0")
    assert within(README)
    assert within(page) == []
    assert "(https://example.org/us/it/raw/v0.1.0/docs/images/overlays.png)" in page
    assert "(https://example.org/us/it/blob/v0.1.0/docs/privacy.md)" in page
    for name in within(README):
        assert (TOP / name.partition("#")[0]).exists()


def test_without_an_address_nothing_leads_nowhere(index_page):
    page = index_page(README, None, "v0.1.0")
    assert within(page) == []
    assert "![" not in page
    assert "[arXiv 2604.06518](https://arxiv.org/abs/2604.06518)" in page
    assert "docs/privacy.md" in page  # its text


def test_the_package_is_built_with_it():
    project = (TOP / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["readme", "version"]' in project
    assert "[tool.hatch.metadata.hooks.custom]" in project
