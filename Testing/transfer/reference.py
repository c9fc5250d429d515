"""The formulas once more, in float64 NumPy and nothing else, as plainly as they can be written.

Independent of the library on purpose: loops over classes and states, boolean masks, no chunks.
"""

from __future__ import annotations

import numpy as np

FLOOR = 1e-12


def softmax(logits):
    """(C, n) -> (C, n) float64."""
    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=0))
    return powers / powers.sum(axis=0)


def joint(theta, labels, classes):
    """J[y, z], (Y, Z), of theta (Z, n) and labels (n,)."""
    theta = np.asarray(theta, dtype=np.float64)
    table = np.empty((classes, len(theta)))
    for y in range(classes):
        for z in range(len(theta)):
            table[y, z] = theta[z][labels == y].sum()
    return table


def prior(labels, classes):
    """P(y), (Y,)."""
    known = labels[labels >= 0]
    return np.array([np.mean(known == y) for y in range(classes)])


def conditional(theta, labels, classes):
    """P(y|z), (Y, Z); P(y) where the state z has no mass."""
    table = joint(theta, labels, classes)
    for z in range(table.shape[1]):
        mass = table[:, z].sum()
        table[:, z] = table[:, z] / mass if mass > 0 else prior(labels, classes)
    return table


def eep(p_y_given_z, theta):
    """EEP(y|x), (Y, n)."""
    return np.einsum("yz,zi->yi", np.asarray(p_y_given_z, np.float64), np.asarray(theta, np.float64))


def risk(p_y_given_z, theta, labels):
    """-log EEP(y_i|x_i), (n,), not-a-number where unlabelled."""
    prediction = eep(p_y_given_z, theta)
    out = np.full(labels.shape, np.nan)
    for y in range(len(prediction)):
        here = labels == y
        out[here] = -np.log(np.clip(prediction[y, here], FLOOR, 1.0))
    return out


def leep(p_y_given_z, theta, labels):
    """Mean log EEP over the labelled voxels."""
    return -np.nanmean(risk(p_y_given_z, theta, labels))


def entropy(distribution):
    """Shannon entropy in nats."""
    return -sum(p * np.log(p) for p in np.asarray(distribution, np.float64).ravel() if p > 0)


def problem(seed, voxels, classes, states, *, unlabelled=0.2, sharpness=2.0):
    """Logits (Z, n) float32 that tell something of the labels (n,) int16, reproducible.

    Every class occurs, so that no EEP meets the floor.
    """
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, voxels)
    truth[:classes] = np.arange(classes)
    logits = random.normal(size=(states, voxels))
    logits[truth % states, np.arange(voxels)] += sharpness
    hidden = random.random(voxels) < unlabelled
    hidden[:classes] = False
    labels = np.where(hidden, -1, truth).astype(np.int16)
    return logits.astype(np.float32), labels
