"""Cases as sources see them: merged labels, masks, the simulated second contrast, what a process keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_study import GRID, SIZE, WHOLE, tiny_study

from experiments.contrast import curve, remapped
from experiments.store import Store, combined_merge, load, scheme_of
from TransferRiskLib.errors import GeometryError
from TransferRiskLib.volumes.io import write_volume
from TransferRiskLib.volumes.volume import Volume


def test_the_second_contrast_turns_around_and_no_curve_undoes_it() -> None:
    u = np.linspace(0, 1, 1001)
    values = curve(u)
    rising = np.diff(values) > 0
    assert rising[0]
    assert not rising[500]
    assert rising[-1]
    assert values.min() > 0, "tissue must not become background"
    assert values[0] == pytest.approx(1.25)
    assert values[500] == pytest.approx(0.75)
    assert values[1000] == pytest.approx(0.25)


def test_background_stays_background_and_scale_does_not_matter() -> None:
    image = np.random.default_rng(0).uniform(1, 9, (1, 4, 5, 6)).astype(np.float32)
    image[0, 0] = 0
    one, other = remapped(image), remapped(300 * image)
    assert (one[0, 0] == 0).all()
    assert (one[0, 1:] > 0).all()
    assert np.allclose(one, other, atol=1e-4)
    assert np.array_equal(one, remapped(image)), "nothing is random"


def test_null_drops_a_label_to_the_background(tmp_path: Path) -> None:
    study = tiny_study(tmp_path)
    cohort = study.cohort("balls")
    case = cohort.cohort.cases[0]
    both = load(cohort, case, ("T1",), ("T1",), None)
    upper = load(cohort, case, ("T1",), ("T1",), {"lower": None, "upper": "upper"})
    assert both.labels is not None
    assert upper.labels is not None
    assert set(np.unique(both.labels)) == {0, 1, 2}
    assert np.array_equal(upper.labels, both.labels == 2)
    assert upper.scheme is not None
    assert upper.scheme.names == ("background", "upper")


def test_a_cohorts_own_merge_comes_first(tmp_path: Path) -> None:
    cohort = replace(tiny_study(tmp_path).cohort("balls"), merge=WHOLE)
    assert scheme_of(cohort, None).names == ("background", "ball")
    assert combined_merge(cohort, {"ball": "thing"}) == {"lower": "thing", "upper": "thing"}


def test_a_channel_takes_the_place_of_another(tmp_path: Path) -> None:
    cohort = tiny_study(tmp_path).cohort("balls")
    case = cohort.cohort.cases[0]
    taken = load(cohort, case, ("T1",), ("T2",), None)
    assert taken.channels == ("T1",)
    assert np.array_equal(taken.images, load(cohort, case, ("T2",), ("T2",), None).images)


def test_images_are_zero_outside_the_mask(tmp_path: Path) -> None:
    cohort = tiny_study(tmp_path).cohort("balls")
    case = cohort.cohort.cases[0]
    mask = np.zeros(SIZE, np.uint8)
    mask[:, :8] = 1
    write_volume(Volume(mask, GRID), tmp_path / "mask.nii.gz")
    masked = load(replace(cohort, masks={case.name: tmp_path / "mask.nii.gz"}), case, ("T1",), ("T1",), None)
    whole = load(cohort, case, ("T1",), ("T1",), None)
    assert (masked.images[0, :, 8:] == 0).all()
    assert np.array_equal(masked.images[0, :, :8], whole.images[0, :, :8])
    shifted = Volume(mask, replace(GRID, origin=(5.0, 0.0, 0.0)))
    write_volume(shifted, tmp_path / "shifted.nii.gz")
    with pytest.raises(GeometryError, match="mask"):
        load(replace(cohort, masks={case.name: tmp_path / "shifted.nii.gz"}), case, ("T1",), ("T1",), None)


def test_a_store_makes_a_thing_once_and_forgets_what_was_used_longest_ago() -> None:
    made: list[str] = []
    store: Store[str] = Store(3, len)

    def get(text: str) -> str:
        return store.get(text, lambda: made.append(text) or text)  # type: ignore[func-returns-value]

    for text in ("a", "b", "c", "a", "d", "a", "b"):
        assert get(text) == text
    assert made == ["a", "b", "c", "d", "b"], "b was the oldest when d came"
    assert get("four") == "four", "a thing that is too large alone is kept all the same"
    get("four")
    assert made.count("four") == 1
