"""The steps that the module's own test takes inside Slicer, on a headless scene with the real worker and
the demonstration model."""

from __future__ import annotations

import pytest

from TransferRiskLib.demo_models import demo_models
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.session import walkthrough
from TransferRiskLib.session.walkthrough import Walkthrough, missing_packages


@pytest.mark.slow
def test_the_whole_flow_with_the_demonstration_model(session, scene):
    if not (demo_models()["tissue-t1w"] / "configs" / "card.json").is_file():
        pytest.skip("the demonstration models are not in this checkout")

    def load(path):
        scene.Clear(False)
        load_scene(scene, path)

    taken: list[str] = []
    session.adapting.set_output_folder("")
    Walkthrough(session, scene, lambda path: save_scene(scene, path), load).run(taken.append)
    assert session.adapting.chosen_output_folder == "", "the user had chosen none"
    assert taken[0] == "Pick a model" and taken[-1] == "Go on"


def test_missing_packages_are_those_of_slicers_own_python(stage, monkeypatch):
    monkeypatch.delenv("TRANSFERRISK_PYTHON", raising=False)
    monkeypatch.setattr(walkthrough, "find_spec", lambda name: None if name == "torch" else object())
    assert missing_packages(stage) == ["torch"]
    monkeypatch.setenv("TRANSFERRISK_PYTHON", "/some/python")
    assert missing_packages(stage) == []
