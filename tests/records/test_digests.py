"""Digests: what they depend on, and what they don't."""

import json
import subprocess
from pathlib import Path

from adpfl_bench.records.digests import config_sha256, file_sha256


def test_config_hash_follows_values_and_not_the_order_of_keys():
    assert config_sha256({"a": 1, "b": {"c": 2, "d": 3}}) == config_sha256({"b": {"d": 3, "c": 2}, "a": 1})
    assert config_sha256({"a": 1}) != config_sha256({"a": 2})
    assert config_sha256({"a": Path("x")}) == config_sha256({"a": "x"})


def test_config_hash_survives_the_trip_to_a_file():
    config = {"by number": {2: "b", 10: "a"}, "rate": 1e-08, "sizes": (1, 2), "where": Path("x")}
    assert config_sha256(json.loads(json.dumps(config, default=str))) == config_sha256(config)


def test_files_have_the_digest_that_sha256sum_prints(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 5000)  # more than one part
    printed = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == file_sha256(path)
