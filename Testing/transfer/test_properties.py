"""What must hold of any source and any labels."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from TransferRiskLib.transfer import maps
from TransferRiskLib.transfer.scores import LeepSums, score
from TransferRiskLib.transfer.statistics import JointStatistics


@st.composite
def problems(draw, unlabelled=True):
    """(probabilities (Z, n) float64, labels (n,), classes): any sharpness, dead states, absent classes."""
    classes, states = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    voxels = draw(st.integers(1, 60))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    theta = random.dirichlet(np.full(states, draw(st.sampled_from([0.02, 0.5, 5.0]))), voxels).T
    if states > 1 and draw(st.booleans()):
        theta[-1] = 0
        theta = np.where(theta.sum(0) > 0, theta, np.eye(states)[:, :1])
        theta = theta / theta.sum(0)
    labels = random.integers(-1 if unlabelled else 0, classes, voxels)
    labels[0] = max(labels[0], 0)
    return theta, labels, classes


def names(kind, count):
    return tuple(f"{kind}{n}" for n in range(count))


def statistics(theta, labels, classes, **options):
    return JointStatistics.from_probabilities(
        theta, labels, names("y", classes), names("z", len(theta)), **options
    )


def same(one, other):
    np.testing.assert_allclose(one.joint, other.joint, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(one.counts, other.counts)


@given(problems(), st.integers(0, 60))
def test_merging_parts_equals_pooling_them(problem, cut):
    theta, labels, classes = problem
    parts = [statistics(theta[:, part], labels[part], classes) for part in (slice(cut), slice(cut, None))]
    same(JointStatistics.merged(parts), statistics(theta, labels, classes))
    same(parts[0].merge(parts[1]), parts[1].merge(parts[0]))


@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_voxels_changes_nothing(problem, random):
    theta, labels, classes = problem
    order = list(range(labels.size))
    random.shuffle(order)
    s, t = statistics(theta, labels, classes), statistics(theta[:, order], labels[order], classes)
    same(s, t)
    one = maps.transfer_maps(s.conditional, s.prior, theta, labels).maps
    other = maps.transfer_maps(t.conditional, t.prior, theta[:, order], labels[order]).maps
    for kind in (*maps.LABELLED_MAPS, "expected-risk"):
        np.testing.assert_allclose(other[kind], one[kind][order], atol=2e-5, rtol=1e-5)


@given(problems(), st.integers(1, 70))
def test_the_chunk_size_changes_nothing(problem, chunk):
    theta, labels, classes = problem
    s = statistics(theta, labels, classes)
    same(s, statistics(theta, labels, classes, chunk=chunk))
    whole = maps.transfer_maps(s.conditional, s.prior, theta, labels)
    parts = maps.transfer_maps(s.conditional, s.prior, theta, labels, chunk=chunk)
    assert whole.floored == parts.floored
    for kind in (*maps.LABELLED_MAPS, "expected-risk"):
        np.testing.assert_allclose(parts.maps[kind], whole.maps[kind], atol=2e-5, rtol=1e-5)
    sums = [
        LeepSums.from_probabilities(s.conditional, theta, labels, s.targets, chunk=size)
        for size in (chunk, 1000)
    ]
    np.testing.assert_allclose(sums[0].log_eep, sums[1].log_eep, rtol=1e-5, atol=1e-5)


@given(problems(), st.sampled_from([np.nan, np.inf, -7.0, 0.5]))
def test_what_unlabelled_voxels_hold_never_matters(problem, rubbish):
    theta, labels, classes = problem
    spoilt = theta.copy()
    spoilt[:, labels < 0] = rubbish
    known = labels >= 0
    s = statistics(spoilt, labels, classes)
    same(s, statistics(theta[:, known], labels[known], classes))
    made = maps.transfer_maps(s.conditional, s.prior, spoilt, labels, kinds=maps.LABELLED_MAPS)
    clean = maps.transfer_maps(s.conditional, s.prior, theta[:, known], labels[known])
    for kind, values in made.maps.items():
        assert values[labels < 0].isnan().all()
        np.testing.assert_allclose(values[known], clean.maps[kind], atol=2e-5, rtol=1e-5)
    assert made.floored == clean.floored


@given(problems())
def test_everything_stays_in_its_range(problem):
    theta, labels, classes = problem
    s = statistics(theta, labels, classes)
    for probabilities in (s.conditional, s.prior, s.source_marginal):
        assert (probabilities >= 0).all() and (probabilities <= 1 + 1e-12).all()
        np.testing.assert_allclose(probabilities.sum(0), 1.0, rtol=1e-12)
    eep = maps.expected_empirical_prediction(s.conditional, theta).numpy()
    assert (eep >= 0).all() and (eep <= 1).all()
    np.testing.assert_allclose(eep.sum(0), 1.0, atol=1e-6)
    made = maps.transfer_maps(s.conditional, s.prior, theta, labels)
    risk = made.maps["risk"][labels >= 0]
    # the bound that lets the floor touch only labels unknown to the statistics
    assert (risk >= 0).all() and (risk <= np.log(len(theta) * s.voxels) + 1e-4).all()
    assert made.floored == 0
    assert (made.maps["expected-risk"] >= 0).all()
    assert (made.maps["expected-risk"] <= np.log(classes) + 1e-6).all()
    made_score = score("m", s, LeepSums.from_risk(made.maps["risk"], labels, s.targets))
    assert -1e-5 <= made_score.leep + s.entropy <= s.entropy + 1e-12
    assert -1e-5 <= s.mutual_information <= made_score.leep + s.entropy + 1e-5


@given(problems())
def test_an_oracle_has_no_risk(problem):
    _, labels, classes = problem
    assume(np.unique(labels[labels >= 0]).size > 1)
    # any one-to-one naming of the classes is an oracle
    oracle = np.eye(classes)[::-1][:, np.maximum(labels, 0)]
    s = statistics(oracle, labels, classes)
    made = maps.transfer_maps(s.conditional, s.prior, oracle, labels)
    np.testing.assert_array_equal(made.maps["risk"][labels >= 0], 0)
    np.testing.assert_array_equal(made.maps["eep-segmentation"][labels >= 0], labels[labels >= 0])
    result = score("oracle", s, LeepSums.from_probabilities(s.conditional, oracle, labels, s.targets))
    assert result.leep == 0 and result.normalised == 1
    assert all(value == 1 for value in result.per_class.values())


@given(problems())
def test_a_source_that_always_says_the_same_tells_nothing(problem):
    theta, labels, classes = problem
    constant = np.repeat(theta[:, :1], labels.size, axis=1)
    s = statistics(constant, labels, classes)
    made = maps.transfer_maps(s.conditional, s.prior, constant, labels)
    known = labels >= 0
    np.testing.assert_allclose(made.maps["gain"][known], 0, atol=2e-6)
    result = score("constant", s, LeepSums.from_probabilities(s.conditional, constant, labels, s.targets))
    np.testing.assert_allclose(result.leep, -s.entropy, atol=1e-6)
    np.testing.assert_allclose(list(result.per_class.values()), 0, atol=2e-5)
    if np.unique(labels[known]).size > 1:
        np.testing.assert_allclose(made.maps["relative-risk"][known], 1, atol=2e-5)
