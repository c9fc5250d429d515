"""A job that is cancelled or fails takes back what it brought into the scene, and nothing else."""

from __future__ import annotations

import pytest
from case_files import image_values, label_values, put


@pytest.fixture
def furnished(stage, scene, tree, add_scan, bundle):
    """A session on a scene with a scan, its segmentation and a table of the user's."""
    stage.models.add(bundle)
    add_scan("Anna")
    scene.AddNewNodeByClass("vtkMRMLTableNode", "measurements")
    stage.tick()
    return stage


@pytest.fixture
def folder(tmp_path):
    """Two labelled cases."""
    for number, name in enumerate(("Berta", "Clara")):
        put(tmp_path / "patient7" / name / "T1.nii.gz", image_values(number))
        put(tmp_path / "patient7" / name / "label.nii.gz", label_values())
    (tmp_path / "patient7" / "labels.json").write_text('{"background": 0, "anterior": 1, "posterior": 2}')
    return tmp_path / "patient7"


def contents(scene):
    """IDs of all nodes but the scene's own bookkeeping, which comes when it is first asked for."""
    nodes = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
    return {n.GetID() for n in nodes if not n.GetSingletonTag() and n.GetName() != "SubjectHierarchy"}


def load_some(session, scene, until=2):
    """Ticks until so many scans are there."""
    while scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") < until:
        session.tick()


def test_a_cancelled_load_takes_back_its_own_nodes_alone(furnished, scene, folder):
    before = contents(scene)
    furnished.cases.add_folder(folder)
    load_some(furnished, scene)
    assert contents(scene) > before
    furnished.jobs.cancel()
    assert furnished.jobs.outcome.kind == "cancelled" and furnished.cases.rows == ()
    assert contents(scene) == before


def test_a_load_that_fails_takes_back_its_own_nodes_alone(furnished, scene, tmp_path, finish):
    before = contents(scene)
    for number, name in enumerate("ab"):
        put(tmp_path / "scans" / f"{name}.nii.gz", image_values(number))
    broken = tmp_path / "scans" / "b.nii.gz"
    broken.write_bytes(broken.read_bytes()[:900])
    furnished.segmenting.add_folder(tmp_path / "scans")
    outcome = finish(furnished)
    assert outcome.kind == "error" and "b.nii.gz" in outcome.message
    assert furnished.segmenting.rows == () and contents(scene) == before


def test_what_the_user_adds_while_a_folder_loads_stays(furnished, scene, folder, add_scan):
    before = contents(scene)
    furnished.cases.add_folder(folder)
    load_some(furnished, scene)
    loaded = contents(scene) - before
    add_scan("Zoe")
    added = contents(scene) - before - loaded
    furnished.jobs.cancel()
    assert loaded and added and contents(scene) == before | added


def test_a_volume_of_the_folders_name_is_no_folder(furnished, scene, tree, folder, add_scan, finish):
    mine, _ = add_scan("patient7", labelled=False)
    item = tree.GetItemByDataNode(mine)
    furnished.cases.add_folder(folder)
    load_some(furnished, scene, 3)
    assert tree.GetNumberOfItemChildren(item) == 0
    furnished.jobs.cancel()
    assert mine.GetScene() is scene and tree.GetItemByDataNode(mine) == item
    furnished.cases.add_folder(folder)
    assert finish(furnished).kind == "done", furnished.jobs.outcome
    shelf = tree.GetItemParent(tree.GetItemByDataNode(scene.GetFirstNodeByName("Berta")))
    assert shelf != item and tree.GetItemName(shelf) == "patient7"


@pytest.mark.parametrize("there", [False, True])
def test_an_empty_folder_goes_only_with_the_load_that_made_it(furnished, scene, tree, folder, there):
    def shelf():
        return tree.GetItemChildWithName(tree.GetSceneItemID(), "patient7")

    mine = tree.CreateFolderItem(tree.GetSceneItemID(), "patient7") if there else 0
    furnished.cases.add_folder(folder)
    load_some(furnished, scene)
    assert tree.GetNumberOfItemChildren(shelf()) > 0 and (shelf() == mine) == there
    furnished.jobs.cancel()
    assert shelf() == mine
