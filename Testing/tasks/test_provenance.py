"""What a model tells of the cases it was adapted to: no names, and enough for their owner to check."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from TransferRiskLib.adaptation.settings import AugmentationSettings, preset_settings
from TransferRiskLib.cases.case import Cohort
from TransferRiskLib.cases.load import LoadedCase, load_case
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.adapt import adapt
from TransferRiskLib.tasks.provenance import fingerprint
from TransferRiskLib.tasks.requests import AdaptRequest, CohortInput
from TransferRiskLib.tasks.results import AdaptResult

NAMES = ("Mustermann^Erika", "Doe^Jane", "PAT-0815")


@pytest.fixture(scope="module")
def named(cohort: Cohort) -> Cohort:
    """The cohort with names as they come out of a clinic."""
    cases = zip(cohort.cases, NAMES, strict=True)
    return dataclasses.replace(
        cohort, cases=tuple(dataclasses.replace(case, name=name) for case, name in cases)
    )


@pytest.fixture(scope="module")
def adapted(bundle: Path, named: Cohort, tmp_path_factory: pytest.TempPathFactory) -> AdaptResult:
    settings = preset_settings("plain", steps=2, batch_size=1, augmentation=AugmentationSettings.off())
    request = AdaptRequest(
        bundle, CohortInput(named), tmp_path_factory.mktemp("run") / "out", settings,
        PredictionSettings(device="cpu", overlap=0.0),
    )  # fmt: skip
    return adapt(request, Progress())


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_no_file_of_the_model_names_a_case(adapted: AdaptResult) -> None:
    files = [path for path in adapted.bundle.rglob("*") if path.is_file()]
    assert {"model.pt", "model.ts", "provenance.json", "README.md"} <= {path.name for path in files}
    for path in files:
        parts = {path.name: path.read_bytes()}
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                parts |= {name: archive.read(name) for name in archive.namelist()}
        for part, content in parts.items():
            for name in NAMES:
                assert name.encode() not in content, f"{path.name}: {part}"


def test_the_run_says_which_case_a_fingerprint_of_the_model_belongs_to(
    adapted: AdaptResult, named: Cohort
) -> None:
    local = read(adapted.bundle.parent / "result.json")["provenance"]
    public = read(adapted.bundle / "configs" / "provenance.json")
    assert set(local["cases"]) == set(NAMES)
    assert public["cases"] == sorted(local["cases"].values()) and len(set(public["cases"])) == 3
    assert "fingerprint_key" not in public and len(local["fingerprint_key"]) == 32
    for case in named.cases:
        loaded = load_case(case, ("T1",), scheme=named.scheme)
        assert fingerprint(loaded, local["fingerprint_key"]) == local["cases"][case.name]


def test_labelled_voxels_are_those_of_all_cases(adapted: AdaptResult, named: Cohort) -> None:
    loaded = [load_case(case, ("T1",), scheme=named.scheme) for case in named.cases]
    expected = sum(int((case.labels >= 0).sum()) for case in loaded if case.labels is not None)
    assert read(adapted.bundle / "configs" / "provenance.json")["labelled_voxels"] == expected > 0


def case_of(values: np.ndarray, name: str = "a") -> LoadedCase:
    return LoadedCase(name, ("T1",), values, None, None, None, name, Path(name))  # type: ignore[arg-type]


def test_a_fingerprint_is_that_of_the_values_with_the_key() -> None:
    """HMAC written out: H((key xor opad) + H((key xor ipad) + message)), keys padded to 64 bytes."""
    values = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    key = b"secret".ljust(64, b"\0")
    message = b"(1, 1, 2, 3)" + values.tobytes()
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + message).digest()
    expected = hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()[:16]
    assert fingerprint(case_of(values), "secret") == expected


def test_only_the_images_and_the_key_make_the_fingerprint() -> None:
    values = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    own = fingerprint(case_of(values), "key")
    assert fingerprint(case_of(values.copy(), "another name"), "key") == own
    assert fingerprint(case_of(values), "another key") != own
    assert fingerprint(case_of(values.reshape(1, 2, 3, 1)), "key") != own
    values[0, 0, 0, 0] = 0.5
    assert fingerprint(case_of(values), "key") != own
