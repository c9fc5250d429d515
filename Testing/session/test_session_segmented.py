"""Results of segmentations: whose they are, and what happens when a scan changes meanwhile."""

from __future__ import annotations

import numpy as np
import pytest

from TransferRiskLib.cases.segmentation_files import write_seg_nrrd
from TransferRiskLib.jobs import events
from TransferRiskLib.volumes.io import read_volume, write_volume, write_volumes


@pytest.fixture
def two_scans(stage, bundle, add_scan, played, finish):
    """A session that is segmenting Anna and Ben."""
    stage.models.add(bundle)
    for number, name in enumerate(("Anna", "Ben")):
        add_scan(name, number, labelled=False)
    stage.segmenting.add_from_scene()
    stage.segmenting.set_options(uncertainty=True, probabilities=True)
    stage.segmenting.segment()
    finish(stage, lambda: bool(played.submitted))
    return stage


@pytest.fixture
def answer(played, tmp_path, bundle):
    """Plays the worker's answer to the latest job: a cube of one label in every scan."""
    from TransferRiskLib.models.card_files import read_card

    scheme = read_card(bundle).labels

    def tell():
        scans = []
        for case in played.submitted[-1][1].target.cohort.cases:
            scan = read_volume(case.images["T1"].path)
            indices = np.zeros(scan.array.shape, np.int16)
            indices[4:8, 4:8, 4:8] = 1
            folder = tmp_path / f"answer-{len(played.submitted)}-{case.name}"
            folder.mkdir()
            write_seg_nrrd(indices, scan.geometry, scheme, folder / "segmentation.seg.nrrd")
            ones = scan.with_array(np.ones(scan.array.shape, np.float32))
            write_volume(ones, folder / "uncertainty.nii.gz")
            write_volumes([ones] * len(scheme), folder / "probabilities.nii.gz")
            scans.append({
                "case": case.name, "segmentation": str(folder / "segmentation.seg.nrrd"),
                "uncertainty": str(folder / "uncertainty.nii.gz"),
                "probabilities": str(folder / "probabilities.nii.gz"),
            })  # fmt: skip
        played.say(events.Done({"scans": scans, "states": list(scheme.names)}))

    return tell


def moved(scene, volume):
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "registration")
    volume.SetAndObserveTransformNodeID(transform.GetID())


@pytest.mark.parametrize(
    "change",
    [
        moved,
        lambda scene, volume: volume.SetAndObserveImageData(None),
        lambda scene, volume: volume.SetSpacing(2.0, 2.0, 2.0),
    ],
    ids=["transform", "no image", "spacing"],
)
def test_a_scan_that_changes_meanwhile_costs_the_others_nothing(two_scans, scene, answer, finish, change):
    change(scene, scene.GetFirstNodeByName("Ben"))
    answer()
    assert finish(two_scans).kind == "done", two_scans.jobs.outcome
    assert two_scans.jobs.outcome.message == "1 of 2 scans failed: the list says why."
    anna, ben = two_scans.segmenting.rows
    assert scene.GetNodeByID(anna.segmentation).GetName() == "Anna segmentation"
    assert ben.segmentation is None and "moved or replaced" in ben.error


def test_results_of_a_scan_that_was_taken_off_the_list_do_not_come(two_scans, scene, answer, finish):
    two_scans.segmenting.remove(two_scans.segmenting.rows[1].key)
    answer()
    assert finish(two_scans).kind == "done"
    assert scene.GetFirstNodeByName("Ben segmentation") is None
    assert scene.GetFirstNodeByName("Anna segmentation") is not None


def test_probability_volumes_are_named_by_their_label(two_scans, scene, answer, finish):
    answer()
    finish(two_scans)
    names = [scene.GetNodeByID(node).GetName() for node in two_scans.segmenting.rows[0].probabilities]
    assert names == [f"Anna probability of {label}" for label in ("background", "anterior", "posterior")]


def test_a_repeated_segmentation_hides_the_former_and_takes_its_volumes_away(
    two_scans, scene, played, answer, finish
):
    answer()
    finish(two_scans)
    first = two_scans.segmenting.rows[0]
    former = scene.GetNodeByID(first.segmentation)
    extras = [scene.GetNodeByID(node) for node in (first.uncertainty, *first.probabilities)]
    two_scans.segmenting.segment()
    finish(two_scans, lambda: len(played.submitted) == 2)
    answer()
    assert finish(two_scans).kind == "done"
    again = scene.GetNodeByID(two_scans.segmenting.rows[0].segmentation)
    assert again is not former and again.GetDisplayNode().GetVisibility()
    assert former.GetScene() is scene and not former.GetDisplayNode().GetVisibility()
    assert all(node.GetScene() is None for node in extras)


def test_another_volume_has_no_result_yet(two_scans, scene, answer, finish):
    answer()
    finish(two_scans)
    anna = two_scans.segmenting.rows[0]
    two_scans.segmenting.set_channel(anna.key, "T1", scene.GetFirstNodeByName("Ben").GetID())
    changed = two_scans.segmenting.rows[0]
    assert (changed.segmentation, changed.uncertainty, changed.probabilities) == (None, None, ())
    assert not two_scans.segmenting.can_edit(anna.key)[0]
    assert scene.GetNodeByID(anna.segmentation) is not None, "the nodes stay"


def test_what_is_edited_can_be_seen(two_scans, scene, answer, finish):
    answer()
    finish(two_scans)
    anna, ben = two_scans.segmenting.rows
    two_scans.segmenting.show(anna.key)
    assert not scene.GetNodeByID(ben.segmentation).GetDisplayNode().GetVisibility()
    node, scan = two_scans.segmenting.edit_target(ben.key)
    assert node.GetDisplayNode().GetVisibility() and scan.GetName() == "Ben"


def test_a_scan_of_any_name_can_be_put_on_the_list_by_hand(stage, scene, bundle, add_scan):
    stage.models.add(bundle)
    names = ("Anna_T2", "Anna_FLAIR")
    nodes = [add_scan(name, number, labelled=False)[0] for number, name in enumerate(names)]
    assert not stage.segmenting.can_add_from_scene()[0], "which of the two is meant is not guessed"
    key = stage.segmenting.add("Anna")
    assert stage.segmenting.missing(key) and not stage.segmenting.can_segment()[0]
    stage.segmenting.set_channel(key, "T1", nodes[0].GetID())
    assert stage.segmenting.missing(key) == [] and stage.segmenting.can_segment()[0]
