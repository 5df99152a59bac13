"""Hooks of MkDocs: the pages of the site that no file under docs/ holds, made when the site is built.

Each maker returns pages by their address in the site. Links that leave docs/ are led to the site's own copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from api_pages import api_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from project_address import lead_site, project_urls
from repository_links import REPOSITORY_PAGES, lead_into_site, name_files, show_pipes
from schema_page import schema_page
from settings_pages import settings_pages
from study_report import study_report
from tutorial_pages import tutorial_pages
from yaml_page import yaml_page

_MAKERS: tuple[Callable[[Path], Mapping[str, str | bytes]], ...] = (
    api_pages,
    schema_page,
    settings_pages,
    study_report,
    tutorial_pages,
    yaml_page,
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lead to the project's addresses, where pyproject.toml states them."""
    lead_site(config, project_urls(Path(config.config_file_path).parent))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made, and lead links of all pages into the site."""
    top = Path(config.config_file_path).parent
    for make in _MAKERS:
        for address, content in make(top).items():
            files.append(File.generated(config, address, content=content))
    for name, address in REPOSITORY_PAGES.items():
        files.append(File.generated(config, address, content=(top / name).read_text(encoding="utf-8")))
    origins = {address: name for name, address in REPOSITORY_PAGES.items()}
    for page in list(files.documentation_pages()):
        origin = origins.get(page.src_uri, f"docs/{page.src_uri}")
        text, needed = lead_into_site(name_files(show_pipes(page.content_string)), origin, page.src_uri, top)
        if text != page.content_string:
            page.content_string = text
        for address, path in needed.items():
            if files.get_file_from_path(address) is None:
                files.append(File.generated(config, address, abs_src_path=str(path)))
    return files
