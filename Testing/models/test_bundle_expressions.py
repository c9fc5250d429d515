from __future__ import annotations

import pytest

from TransferRiskLib.errors import ModelError, UntrustedModelError
from TransferRiskLib.models.bundle_configs import read_bundle_config, read_config_file, resolve
from TransferRiskLib.models.bundle_expressions import Unresolved
from TransferRiskLib.models.bundle_macros import expand_macros

CONFIG = {
    "fast": False, "root": ".", "size": [8, 8, 4], "names": {"a": 0, "b": 1}, "first": [1], "second": [2, 3],
    "unknown": "$torch.load('x')", "picked": ["$@unknown", 1],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$[1.5, -1.0] if @fast else [3.0, 3.0]", [3.0, 3.0]),
        ("$len(@size)", 3),
        ("$len(@names)", 2),
        ("$@root + '/models/' + 'x.pt'", "./models/x.pt"),
        ("$@first + @second", [1, 2, 3]),
        ("$@names['b']", 1),
        ("$@size[-1]", 4),
        ("$ @size ", [8, 8, 4]),
        ("$@size#2", 4),
        ("${'a': @size#0}", {"a": 8}),
        ("$None", None),
    ],
)
def test_expressions_that_are_no_more_than_data_are_read(text, value):
    assert resolve(text, CONFIG) == value


@pytest.mark.parametrize(
    "text",
    [
        "$1 + 2",
        "$@fast or 1",
        "$open('flag', 'w')",
        "$len(open('flag', 'w'))",
        "$len(@size, @size)",
        "$[1] if @size else [2]",
        "$[1] if @absent else [2]",
        "$@unknown['key']",
        "$@picked + @first",
        "$@size[9]",
        "$'@root/models'",
        "$_0",
        "$lambda x: x",
        "$[x for x in @size]",
        "$" + "[" * 3000,
        "$" + "'x' + " * 2000 + "'x'",
    ],
)
def test_anything_else_stays_unresolved_and_does_not_run(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    assert isinstance(resolve(text, CONFIG), Unresolved)
    assert not list(tmp_path.iterdir())


def test_lists_that_double_stop_growing():
    config = {"a0": [0] * 1000, **{f"a{n + 1}": f"$@a{n} + @a{n}" for n in range(12)}}
    assert isinstance(resolve("@a12", config), Unresolved)


def expanded(config, root=None):
    return expand_macros(config, root, read_config_file)


def test_macros_copy_what_they_point_to_and_relative_references_become_absolute():
    config = {
        "net": {"_target_": "UNet", "channels": "@width"},
        "network_def": "%net",
        "list": [{"a": 1, "b": "@#a", "c": "@##1"}, "%list#0#a"],
        "copy": "%list::0",
    }
    found = expanded(config)
    assert found["network_def"] == {"_target_": "UNet", "channels": "@width"}
    assert found["list"] == [{"a": 1, "b": "@list#0#a", "c": "@list#1"}, 1]
    assert found["copy"]["a"] == 1


def test_monai_understands_macros_alike():
    from monai.bundle import ConfigParser

    config = {"A": 1, "B": {"key": "@##A", "one": 2, "two": "%#one", "three": [3, 4, "@#1"]}, "C": "%B#three"}
    parser = ConfigParser(dict(config))
    parser.resolve_macro_and_relative_ids()
    assert expanded(config)["B"] == parser.config["B"]
    ours = expanded(config)
    parser.parse()
    assert resolve(ours["C"], ours) == parser.get_parsed_content("C") == [3, 4, 4]


@pytest.mark.parametrize("name", ["common.json", "configs/common.json"])
def test_a_macro_reads_other_files_of_the_bundle(tmp_path, name):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "common.json").write_text(
        '{"net": {"_target_": "UNet", "act": "%act"}, "act": "relu"}'
    )
    (tmp_path / "configs" / "inference.json").write_text(f'{{"network_def": "%{name}#net"}}')
    config, _ = read_bundle_config(tmp_path)
    assert config["network_def"] == {"_target_": "UNet", "act": "relu"}


@pytest.mark.parametrize("place", ["../secret.json", "/etc/secret.json", "configs/../../secret.json"])
def test_a_macro_that_leaves_the_bundle_is_refused(tmp_path, place):
    (tmp_path / "secret.json").write_text('{"a": 1}')
    with pytest.raises(UntrustedModelError, match="outside the bundle"):
        expanded({"a": f"%{place}#a"}, tmp_path / "bundle")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": "%b", "b": "%a"}, "circles"),
        ({"a": "%absent"}, "points to nothing"),
        ({"a": "@##b"}, "leaves the configuration"),
        ({"a": "%other.json#b"}, "none comes with"),
        ({"a0": [0] * 10, **{f"a{n + 1}": [f"%a{n}"] * 10 for n in range(8)}}, "circles"),
    ],
)
def test_macros_that_cannot_be_followed_are_typed_errors(config, message):
    with pytest.raises(ModelError, match=message):
        expanded(config)
