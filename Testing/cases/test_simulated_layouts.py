"""Simulated cohorts in the layouts of FeTS 2021 and iSeg-2019."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from TransferRiskLib.cases import simulated_layouts
from TransferRiskLib.cases.cohorts import read_cohort
from TransferRiskLib.cases.layouts_fets import read_institutions
from TransferRiskLib.cases.load import check_cohort, load_case
from TransferRiskLib.cases.simulated_layouts import INSTITUTIONS, simulate_fets, simulate_iseg
from TransferRiskLib.errors import SettingsError

SPACING = 2.6
FETS_CHANNELS = ("T1", "T1ce", "T2", "FLAIR")


@pytest.fixture(scope="module")
def recorded():
    """What the simulator gave to the writers, in the order of the calls."""
    cases = []
    simulate_case = simulated_layouts.simulate_case

    def recording(*arguments):
        cases.append(simulate_case(*arguments))
        return cases[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated_layouts, "simulate_case", recording)
        yield cases


@pytest.fixture(scope="module")
def fets(tmp_path_factory, recorded):
    """A folder with a case of each of two institutions, and what was simulated for it."""
    folder, before = tmp_path_factory.mktemp("fets"), len(recorded)
    simulate_fets(folder, (1, 1), seed=3, institutions=INSTITUTIONS[1:], spacing=SPACING)
    return folder, recorded[before:]


@pytest.fixture(scope="module")
def iseg(tmp_path_factory, recorded):
    """A folder with a subject with labels and one without, and what was simulated for it."""
    folder, before = tmp_path_factory.mktemp("iseg"), len(recorded)
    simulate_iseg(folder, 1, seed=3, unlabelled=1, spacing=SPACING)
    return folder, recorded[before:]


def loaded_cases(folder, channels):
    cohort = read_cohort(folder)
    check_cohort(cohort, channels)
    return [load_case(case, channels, scheme=cohort.scheme) for case in cohort.cases]


class TestFets:
    def test_files_and_institutions_are_named_as_in_the_release(self, fets):
        folder, _ = fets
        names = ("FeTS21_Training_001", "FeTS21_Training_002")
        files = {f"{n}/{n}_{s}.nii.gz" for n in names for s in ("t1", "t1ce", "t2", "flair", "seg")}
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert found == files | {"partitioning_1.csv"}
        cohort = read_cohort(folder)
        institutions = read_institutions(folder / "partitioning_1.csv", cohort.cases)
        assert {key: [case.name for case in cases] for key, cases in institutions.items()} == {
            "1": [names[0]],
            "2": [names[1]],
        }

    def test_labels_are_exactly_those_of_the_release(self, fets):
        for path in sorted(fets[0].rglob("*_seg.nii.gz")):
            assert np.unique(sitk.GetArrayFromImage(sitk.ReadImage(str(path)))).tolist() == [0, 1, 2, 4]

    def test_what_is_read_is_what_was_simulated(self, fets):
        folder, simulated = fets
        for loaded, case in zip(loaded_cases(folder, FETS_CHANNELS), simulated, strict=True):
            assert loaded.scheme.names == ("background", "necrotic core", "edema", "enhancing tumour")
            for name in loaded.scheme.names[1:]:
                np.testing.assert_array_equal(
                    loaded.labels == loaded.scheme.index(name), case.labels == case.scheme.index(name)
                )
            assert loaded.geometry.difference(case.geometry) is None
            assert loaded.geometry.spacing == pytest.approx((SPACING,) * 3)
            np.testing.assert_allclose(loaded.geometry.direction, np.eye(3).ravel(), atol=1e-6)
            for n, channel in enumerate(FETS_CHANNELS):
                assert (loaded.images[n] - case.images[channel]).min() >= 0
                assert (loaded.images[n] - case.images[channel]).max() < 1

    def test_the_enhancing_part_is_brighter_with_the_contrast_agent_than_without(self, fets):
        for loaded in loaded_cases(fets[0], ("T1", "T1ce")):
            t1, t1ce = loaded.images
            enhancing = loaded.labels == loaded.scheme.index("enhancing tumour")
            brain = (t1 > 0) & (loaded.labels == 0)
            assert np.median(t1ce[enhancing]) > 1.2 * np.median(t1[enhancing])
            with_agent, without = (np.median(i[enhancing]) / np.median(i[brain]) for i in (t1ce, t1))
            assert with_agent > 1.4 * without

    def test_contrasts_of_the_parts(self, fets):
        for loaded in loaded_cases(fets[0], FETS_CHANNELS):
            necrosis, edema, enhancing = np.array(
                [[np.median(image[loaded.labels == n]) for image in loaded.images] for n in (1, 2, 3)]
            )
            t1, t1ce, t2, flair = range(4)
            assert necrosis[t1] < min(edema[t1], enhancing[t1])
            assert necrosis[t1ce] < enhancing[t1ce] > edema[t1ce]
            assert necrosis[t2] > max(edema[t2], enhancing[t2])
            assert edema[flair] > max(necrosis[flair], enhancing[flair])

    def test_necrosis_lies_inside_the_enhancing_rim(self, fets):
        for loaded in loaded_cases(fets[0], FETS_CHANNELS[:1]):
            necrosis = loaded.labels == 1
            around = ndimage.binary_dilation(necrosis) & ~necrosis
            assert np.mean(loaded.labels[around] == 3) > 0.85
            assert np.mean(loaded.labels[around] == 0) < 0.05

    def test_the_seed_decides_every_byte(self, fets, tmp_path):
        simulate_fets(tmp_path, (1,), seed=3, institutions=INSTITUTIONS[1:2], spacing=SPACING)
        for path in sorted((tmp_path / "FeTS21_Training_001").iterdir()):
            again = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            first = sitk.GetArrayFromImage(sitk.ReadImage(str(fets[0] / path.relative_to(tmp_path))))
            np.testing.assert_array_equal(first, again)

    @pytest.mark.parametrize("counts", [(), (1,), (1, 0, 1), (1, 1, 1, 1)])
    def test_counts_that_do_not_fit_the_institutions_are_refused(self, tmp_path, counts):
        with pytest.raises(SettingsError, match="Every institution"):
            simulate_fets(tmp_path, counts, seed=0)


class TestIseg:
    def test_files_are_named_as_in_the_release(self, iseg):
        pairs = ("subject-1-T1", "subject-1-T2", "subject-1-label", "subject-2-T1", "subject-2-T2")
        found = sorted(path.name for path in iseg[0].iterdir())
        assert found == sorted(f"{pair}.{half}" for pair in pairs for half in ("hdr", "img"))

    def test_labels_are_exactly_those_of_the_release(self, iseg):
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(iseg[0] / "subject-1-label.hdr")))
        assert np.unique(labels).tolist() == [0, 10, 150, 250]

    def test_what_is_read_is_what_was_simulated(self, iseg):
        folder, simulated = iseg
        first, second = loaded_cases(folder, ("T1", "T2"))
        assert first.scheme.names == ("background", "CSF", "GM", "WM") and second.labels is None
        np.testing.assert_array_equal(first.labels, simulated[0].labels)
        for loaded, case in zip((first, second), simulated, strict=True):
            assert loaded.geometry.size == case.geometry.size
            expected = np.diag([SPACING, SPACING, SPACING, 1.0])  # Analyze keeps no origin
            np.testing.assert_allclose(loaded.geometry.index_to_lps, expected, atol=1e-6)
            for n, channel in enumerate(("T1", "T2")):
                np.testing.assert_array_equal(loaded.images[n], np.ceil(case.images[channel]))

    def test_brains_are_stripped_and_have_adult_contrasts(self, iseg):
        first, _ = loaded_cases(iseg[0], ("T1", "T2"))
        assert np.all(first.images[:, first.labels > 0] > 0)
        assert np.mean(first.images[:, first.labels == 0] == 0) > 0.9
        csf, grey, white = ([np.median(i[first.labels == n]) for i in first.images] for n in (1, 2, 3))
        assert csf[0] < grey[0] < white[0] and csf[1] > grey[1] > white[1]

    def test_no_labelled_subject_is_refused(self, tmp_path):
        for count, unlabelled in ((0, 1), (1, -1)):
            with pytest.raises(SettingsError, match="labelled subjects"):
                simulate_iseg(tmp_path, count, 0, unlabelled)


@pytest.mark.parametrize("spacing", [0.0, -1.0, 4.5, float("nan")])
def test_an_impossible_spacing_is_refused(tmp_path, spacing):
    with pytest.raises(SettingsError, match="spacing"):
        simulate_iseg(tmp_path, 1, 0, spacing=spacing)
    with pytest.raises(SettingsError, match="spacing"):
        simulate_fets(tmp_path, (1, 1, 1), 0, spacing=spacing)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for write in (lambda: simulate_fets(tmp_path, (1, 1, 1), 0), lambda: simulate_iseg(tmp_path, 1, 0)):
        with pytest.raises(SettingsError, match="is not empty"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
