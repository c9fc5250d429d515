"""What a bug report may not tell: names and places, however they are written."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from TransferRiskLib.session.privacy import Scrubber


@pytest.mark.parametrize(
    "text",
    [
        "2 of 3 done (50 %/s)",
        "T1/T2 and 3.5 nats, 2 s/case, 1 / 2, N/A",
        "dataset.json lacks 'labels'.",
        "see https://pytorch.org/docs/stable/notes/randomness.html.",
        "a10 of a1b",
        "",
    ],
)
def test_what_tells_of_nobody_stays(text):
    assert Scrubber({"A1"}).scrub(text) == text


@pytest.mark.parametrize(
    "path",
    [
        "/home/eve/a b/c.nii",
        "/data/x",
        "/mnt/data/Hans Meier/t1, left (old).nii.gz",
        "//nas/radio/Meier Hans/t1.nii",
        "\\\\nas\\radio\\Meier Hans\\t1.nii",
        "D:\\Erika M\\c.NRRD",
        "d:/Erika M/c: 2.mha",
        "file:///data/Hans%20Meier/t1.nii",
        "https://pacs.hospital.org/Meier/1.dcm",
        "~/Meier/t1.nii",
        "../Hans Meier/t1.hdr",
        "/ü/O'Brien [2]/seg.seg.nrrd",
        "Meier_Hans.nii.gz",
        "Meier/Hans.img",
    ],
)
@pytest.mark.parametrize(
    "sentence",
    [
        "{}: is truncated",
        "x.errors.ImageError: {}: is truncated",
        'could not open "{}", it seems',
        "“{}” is constant",
        "{{'image': \"{}\", 'count': 3}}",
        "took {}",
    ],
)
def test_a_path_goes_wholly(path, sentence):
    word = "<file>" if path.startswith("Meier") else "<path>"
    assert Scrubber(()).scrub(sentence.format(path)) == sentence.format(word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Read /mnt/Hans Meier/t1.nii in 3 s", "Read <path> in 3 s"),
        ("The folder /mnt/Hans Meier is empty.", "The folder <path>"),
        ("open('/mnt/O'Brien, J/t1.nii', 'rb')", "open('<path>')"),
        ("/a/M x.nii and /b/H y.nii differ by 3 mm", "<path> differ by 3 mm"),
        ("No such file: 'C:\\\\Users\\\\Hans M\\\\x'", "No such file: '<path>'"),
        ("/opt/Erika M", "<path>"),
        ("first /a/b: x\nsecond /c/d: y", "first <path>: x\nsecond <path>: y"),
    ],
)
def test_where_a_path_ends_in_doubt_too_much_goes(text, expected):
    assert Scrubber(()).scrub(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "/opt/v/site-packages/torch/nn.py:3: UserWarning: slow",
            "<path>/site-packages/torch/nn.py:3: UserWarning: slow",
        ),
        ("in /opt/v/site-packages/torch/nn.py:3", "in <path>/site-packages/torch/nn.py:3"),
        (
            'File "C:\\Users\\Hans Meier\\Slicer 5.10\\TransferRiskLib\\tasks\\map.py", line 7, in map_risk',
            'File "<path>/TransferRiskLib\\tasks\\map.py", line 7, in map_risk',
        ),
        (
            "/o/lib/python3.12/ast.py: /data/Hans Meier/t1.nii: bad",
            "<path>/lib/python3.12/ast.py: <path>: bad",
        ),
        ("/data/TransferRiskLib/Meier/t1.nii", "<path>"),
    ],
)
def test_files_of_programs_keep_what_tells_which(text, expected):
    assert Scrubber(()).scrub(text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("A1", "case a1, A1"),
        ("Strauß", "case Strauß, strauss, STRAUSS, strauß"),
        ("Zoe\u0308", "case Zo\u00eb, ZOE\u0308"),
        ("Doe^Jane", "case doe^jane"),
        ("a (b)", "case A (b)"),
    ],
)
def test_names_go_however_they_are_spelt(name, text):
    scrubbed = Scrubber({name}).scrub(text)
    assert set(scrubbed.removeprefix("case ").split(", ")) == {"<case>"}, scrubbed


def test_the_user_of_this_computer_is_not_named():
    user = getpass.getuser()
    assert user not in Scrubber(()).scrub(f"{Path.home()}/{user}/scan.nii.gz")
