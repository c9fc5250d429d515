"""Models that cannot be ranked beside others that can."""

from __future__ import annotations

import json
import shutil

import pytest

from TransferRiskLib.cli.rank import COMMAND as RANK
from TransferRiskLib.errors import ModelError
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.progress import Progress
from TransferRiskLib.tasks.rank import rank
from TransferRiskLib.tasks.requests import CohortInput, RankRequest

CPU = PredictionSettings(device="cpu", overlap=0.0)


def test_a_damaged_model_is_left_out_of_a_ranking_and_named(bundle, cohort, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(bundle, broken)
    (broken / "models" / "model.pt").write_bytes(b"no weights")
    target = CohortInput(cohort)
    result = rank(RankRequest((broken, bundle), target, tmp_path / "out", CPU), Progress())
    assert [score.model for score in result.scores] == ["tiny tissue"]
    (left_out,) = result.left_out
    assert left_out.path == broken and "model.pt" in left_out.reason
    written = json.loads((tmp_path / "out" / "ranking.json").read_text())
    assert written["left_out"][0]["path"] == str(broken)
    assert RANK.exit_code(result) == 10
    assert any(str(broken) in line for line in RANK.show(result))
    with pytest.raises(ModelError, match=r"model\.pt"):
        rank(RankRequest((broken,), target, tmp_path / "none", CPU), Progress())
