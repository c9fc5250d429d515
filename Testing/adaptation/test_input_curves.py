"""Curves fitted through a network that knows bright balls, on dark ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from bright_source import bright_model, clouded, dark
from tiny_training import SIZE, ball_case
from torch import nn

from TransferRiskLib.adaptation.adapting import adapt_model
from TransferRiskLib.adaptation.grounds import Grounds
from TransferRiskLib.adaptation.input_curves import CurvedInput, fit_curves
from TransferRiskLib.adaptation.settings import AdaptationSettings, preset_settings
from TransferRiskLib.cases.labels import LabelScheme
from TransferRiskLib.errors import Cancelled
from TransferRiskLib.inference.settings import PredictionSettings
from TransferRiskLib.progress import Progress
from TransferRiskLib.transfer.balanced import balanced_score


def fitted(source, cases, progress=None, **changes):
    options = {
        "steps": 5, "batch_size": 1, "seed": 0, "device": torch.device("cpu"), "mixed_precision": False,
    }  # fmt: skip
    return fit_curves(source, cases, 2, SIZE, progress=progress or Progress(), **{**options, **changes})


def told(source, case, curves=None) -> float:
    image = case.image
    if curves is not None:
        image = torch.stack([torch.from_numpy(c(i.numpy())) for i, c in zip(image, curves, strict=True)])
    return float(balanced_score(source.probabilities(image[None]), case.labels[None], 2))


def test_scans_of_another_contrast_get_a_curve_under_which_the_source_tells_of_unseen_ones():
    source = bright_model()
    curves = fitted(source, [dark(ball_case(1))])
    unseen = dark(ball_case(2))
    assert told(source, unseen) < 0.4 and told(source, unseen, curves) > 0.7


def test_the_fit_is_the_same_whatever_the_range_of_the_intensities():
    """A model of 0..1 images, say, gets the curve of one of z-scores, in its own units."""
    source, case = bright_model(), dark(ball_case(1))
    (want,) = fitted(source, [case], steps=10)
    small = dataclasses.replace(source, network=Magnified(source.network, 16.0))
    (curve,) = fitted(small, [dataclasses.replace(case, image=case.image / 16)], steps=10)
    np.testing.assert_allclose(16 * np.array(curve.x), want.x, rtol=1e-5)
    np.testing.assert_allclose(16 * np.array(curve.y), want.y, rtol=1e-4, atol=1e-4)


class Magnified(nn.Module):
    """A network after a factor on its images."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(self.factor * image)


def test_scans_that_the_source_knows_are_left_as_they_are():
    assert fitted(bright_model(), [ball_case(1)]) is None


def test_a_source_that_no_curve_helps_is_left_alone():
    case = ball_case(1)
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(1, *SIZE))).float()
    assert fitted(bright_model(), [dataclasses.replace(case, image=noise)]) is None


def test_the_network_does_not_change_and_the_same_seed_gives_the_same_curves():
    source = bright_model()
    cases = [dark(ball_case(1)), dark(ball_case(3))]
    first = fitted(source, cases)
    assert fitted(source, cases) == first
    assert fitted(source, cases, seed=1) != first
    assert source.network.weight.item() == 8.0 and source.network.weight.requires_grad


def test_refinement_never_ends_below_the_shape_it_started_from():
    source, case = bright_model(), dark(ball_case(1))
    rough, fine = (fitted(source, [case], steps=steps) for steps in (0, 20))
    assert told(source, case, fine) >= told(source, case, rough) - 1e-6


def test_zeros_stay_zero_where_the_model_leaves_them_out():
    points = torch.tensor([[-1.0, 0.0, 1.0]])
    image = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0]).view(1, 1, 5, 1, 1)
    for keep_zero, want in ((True, [1.0, 1.0, 0.0, 3.5, 5.0]), (False, [1.0, 1.0, 2.0, 3.5, 5.0])):
        curved = CurvedInput(nn.Identity(), points, keep_zero)
        curved.heights.data = torch.tensor([[1.0, 1.5, 3.0]])  # of the range from -1 to 1
        want = [1.0, 1.5, *want[2:]]
        assert curved(image).flatten().tolist() == pytest.approx(want)


def test_a_fit_can_be_cancelled():
    calls = iter([False] * 10)
    with pytest.raises(Cancelled):
        fitted(bright_model(), [dark(ball_case(1))], Progress(lambda: next(calls, True)))


def grounds(tmp_path, cases, progress=None, **settings):
    settings = AdaptationSettings(curve_steps=5, **{"input_curves": "auto", **settings})
    return Grounds(
        bright_model(), cases, LabelScheme.of("ball"), settings, SIZE, torch.device("cpu"),
        PredictionSettings(device="cpu"), tmp_path, progress or Progress(),
    )  # fmt: skip


def test_grounds_take_the_scans_through_curves_of_the_cases_that_train(tmp_path):
    cases = [dark(ball_case(n)) for n in (1, 2)]
    made = grounds(tmp_path, cases)
    first, second = made.of([0]), made.of([1])
    assert first.source.card.curves != second.source.card.curves
    curve = first.source.card.curves[0]
    for before, after in zip(cases, first.cases, strict=True):
        np.testing.assert_allclose(after.image[0].numpy(), curve(before.image[0].numpy()), atol=1e-6)
    again = grounds(tmp_path, cases).of([0])  # from the file, as a resumed run does
    assert again.source.card.curves == first.source.card.curves
    assert made.plain.evidence.normalised_score([0, 1]) < 0.4 < first.evidence.normalised_score([0, 1])


def test_curves_are_left_out_that_raise_the_score_and_do_not_find_the_foreground(tmp_path):
    """Of the voxels that look like the ball most are not in it, so nothing comes to be called foreground."""
    cases = [clouded(dark(ball_case(n))) for n in (1, 2)]
    heard = Heard()
    made = grounds(tmp_path, cases, progress=heard)
    curved = made._with_curves((0, 1))
    assert curved is not made.plain
    assert curved.normalised_score > made.plain.normalised_score + 0.2 and curved.foreground_dice < 0.3
    assert made.of([0, 1]) is made.plain
    (line,) = heard.lines
    assert "left out" in line and f"{curved.foreground_dice:.2f}" in line


class Heard(Progress):
    """Keeps the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def message(self, text: str, level: str = "info") -> None:
        self.lines.append(text)


@pytest.mark.parametrize("settings", [{"input_curves": "off"}, {"scheme": "scratch"}])
def test_grounds_without_curves_are_the_cases_as_they_came(tmp_path, settings):
    made = grounds(tmp_path, [dark(ball_case(1))], **settings)
    assert made.of([0]) is made.plain and not list(tmp_path.iterdir())


@pytest.mark.parametrize("folds", [0, 2])
def test_an_adapted_model_sees_scans_through_the_curves_on_its_card(tmp_path, folds):
    cases = [dark(ball_case(n)) for n in (1, 2)]
    prediction = PredictionSettings(device="cpu")
    settings = preset_settings(
        "recommended", steps=2, curve_steps=3, batch_size=1, folds=folds, audit=False, validate_every=1
    )
    source = bright_model()
    adapted = adapt_model(
        source, cases, LabelScheme.of("ball"), settings, prediction, tmp_path, Progress(), "new"
    )
    assert len(adapted.model.card.curves) == 1 and source.card.curves == ()
    assert adapted.score_without_curves < 0.4 < adapted.normalised_score
    once_more = adapt_model(
        adapted.model, [_seen(c, adapted.model) for c in cases], LabelScheme.of("ball"), settings, prediction,
        tmp_path / "again", Progress(),
    )  # fmt: skip
    assert once_more.score_without_curves is None, "the adapted model knows this contrast"
    assert once_more.model.card.curves == adapted.model.card.curves


def _seen(case, model):
    (curve,) = model.card.curves
    return dataclasses.replace(case, image=torch.from_numpy(curve(case.image.numpy())))
