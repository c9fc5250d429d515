"""The steps that the module's own test takes inside Slicer, on a headless scene with the real worker and
the demonstration model."""

from __future__ import annotations

import pytest

from TransferRiskLib.demo_models import demo_models
from TransferRiskLib.mrml.scenes import load_scene, save_scene
from TransferRiskLib.session.walkthrough import Walkthrough


@pytest.mark.slow
def test_the_whole_flow_with_the_demonstration_model(session, scene):
    if not (demo_models()["tissue-t1w"] / "configs" / "card.json").is_file():
        pytest.skip("the demonstration models are not in this checkout")

    def load(path):
        scene.Clear(False)
        load_scene(scene, path)

    taken: list[str] = []
    Walkthrough(session, scene, lambda path: save_scene(scene, path), load).run(taken.append)
    assert taken[0] == "Pick a model" and taken[-1] == "Go on"
