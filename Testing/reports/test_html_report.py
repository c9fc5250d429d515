from __future__ import annotations

import re

import pytest

from TransferRiskLib.errors import ImageError
from TransferRiskLib.reports.html import Figure, Section, render_report, write_report
from TransferRiskLib.reports.tables import Column, Table

SVG = "<svg xmlns='http://www.w3.org/2000/svg'></svg>"


def a_section(title="Results & more"):
    table = Table("Dice <of> all", [Column("m", "Method")], [{"m": "a < b"}])
    return Section(title, ["1 < 2 & 3 > 2"], [table], [Figure(SVG, 'a "chart"', "Below <it>")])


def test_the_report_is_well_formed_and_escaped(read):
    reader = read(render_report("T <1>", [a_section()], {"model": "<m>"}, "All & everything"))
    text = "".join(reader.text)
    for expected in (
        "T <1>",
        "1 < 2 & 3 > 2",
        "Dice <of> all",
        "a < b",
        "Below <it>",
        "<m>",
        "All & everything",
    ):
        assert expected in text
    assert reader.all("img")[0]["alt"] == 'a "chart"'


def test_the_report_needs_nothing_from_outside(read):
    text = render_report("T", [a_section()], {})
    reader = read(text)
    assert [image["src"][:26] for image in reader.all("img")] == ["data:image/svg+xml;base64,"]
    assert not reader.all("script") and not reader.all("link")
    assert not re.search(r"""(src|href)\s*=\s*(?!["'](data:|#))""", text)
    assert "url(" not in text and "@import" not in text


def test_the_report_is_accessible(read):
    reader = read(render_report("T", [a_section(), a_section()], {}))
    assert reader.all("html")[0]["lang"] == "en"
    assert all(image.get("alt") for image in reader.all("img"))
    assert len(reader.all("caption")) == len(reader.all("table")) == 2
    assert all(cell.get("scope") for cell in reader.all("th"))
    names = [element["id"] for _, element in reader.elements if element.get("id")]
    assert len(names) == len(set(names))
    assert [link["href"].lstrip("#") for link in reader.all("a")] == names[:2]


def test_dark_scheme_and_print_have_their_own_styles():
    text = render_report("T", [], {})
    assert "prefers-color-scheme: dark" in text and "@media print" in text


@pytest.mark.parametrize("content", [b"GIF89a", "plain text", b""])
def test_a_figure_that_is_no_image_is_refused_and_nothing_is_written(tmp_path, content):
    section = Section("S", figures=[Figure(content, "picture")])
    with pytest.raises(ImageError, match="picture"):
        write_report(tmp_path / "report.html", "T", [section], {})
    assert list(tmp_path.iterdir()) == []
