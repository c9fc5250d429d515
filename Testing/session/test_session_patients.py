"""Whose scan a case is: one patient is never split, and asked for once."""

from __future__ import annotations

import numpy as np
import pytest
from case_files import image_values, put

from TransferRiskLib.jobs.exchange import ExchangeFolder
from TransferRiskLib.mrml.nodes import geometry_of, patient_of, put_in_folder
from TransferRiskLib.mrml.segmentations import add_segmentation
from TransferRiskLib.session.handover import Handover


@pytest.fixture
def tree(scene):
    """The scene's subject hierarchy."""
    import slicer

    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def under_patient(tree, node, name: str) -> None:
    """Put a node where loading it from DICOM would: patient, study, volume."""
    patient = tree.GetItemChildWithName(tree.GetSceneItemID(), name)
    patient = patient or tree.CreateSubjectItem(tree.GetSceneItemID(), name)
    put_in_folder(node, tree.CreateStudyItem(patient, "Today"))


@pytest.fixture
def four(stage, bundle, tree, add_scan):
    """Cases a, b (of one patient in the hierarchy), c and d (of nobody), none annotated; key by name."""
    stage.models.add(bundle)
    for name in "abcd":
        volume, _ = add_scan(name, labelled=False)
        if name in "ab":
            under_patient(tree, volume, "Doe (17)")
    stage.cases.add_from_scene()
    return {row.name: row.key for row in stage.cases.rows}


def groups(stage) -> list[str]:
    """The subjects that the worker hears of, case by case."""
    with ExchangeFolder() as folder:
        steps = Handover(stage._desk, folder).cases(stage.cases.rows, ("T1",))
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return [case.group for case in end.value]


def test_the_patient_comes_from_the_subject_hierarchy(scene, tree, four):
    assert [patient_of(scene.GetFirstNodeByName(name)) for name in "abc"] == ["Doe (17)", "Doe (17)", None]


def test_cases_of_one_patient_are_one_subject_for_the_worker_which_hears_no_name(stage, four):
    assert groups(stage) == ["patient 1", "patient 1", "patient 2", "patient 3"]
    assert [stage.cases.found_patient(four[name]) for name in "ac"] == ["Doe (17)", "c"]


def test_what_is_entered_wins(stage, four):
    stage.cases.set_patient(four["c"], "Roe")
    stage.cases.set_patient(four["d"], " roe ")
    stage.cases.set_patient(four["b"], "Somebody else")
    assert groups(stage) == ["patient 1", "patient 2", "patient 3", "patient 3"]
    stage.cases.set_patient(four["b"], "")
    assert groups(stage) == ["patient 1", "patient 1", "patient 2", "patient 2"]


def test_a_list_of_cases_brings_its_subjects(stage, finish, tmp_path):
    lines = ["name,subject,T1"]
    for name, subject in (("left", "Anna"), ("right", "Anna"), ("other", "")):
        put(tmp_path / f"{name}.nii.gz", image_values())
        lines.append(f"{name},{subject},{name}.nii.gz")
    (tmp_path / "cases.csv").write_text("\n".join(lines))
    stage.cases.add_folder(tmp_path / "cases.csv")
    assert finish(stage).kind == "done"
    assert [row.patient for row in stage.cases.rows] == ["Anna", "Anna", ""]


def test_another_scan_of_an_annotated_patient_is_suggested_last(stage, scene, four, suggest):
    suggest(stage, *(four[name] for name in "abc"))
    assert [s.name for s in stage.cases.suggestions] == ["a", "b", "c"]
    volume = scene.GetFirstNodeByName("a")
    drawn = np.zeros((16, 18, 20), np.int16)
    drawn[4:9, 5:9, 5:9] = 1
    node = add_segmentation(scene, drawn, geometry_of(volume), stage.models.card.labels, "drawn", volume)
    stage.cases.set_segmentation(four["a"], node.GetID())
    assert [(s.name, s.known_patient) for s in stage.cases.suggestions] == [("c", False), ("b", True)]
    assert "same patient" in stage.cases.suggestions[1].sentence
