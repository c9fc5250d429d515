"""Openly licensed cohorts, a folder each within the data folder."""

from __future__ import annotations

from pathlib import Path

from experiments.config import Merge
from experiments.study_cohort import StudyCohort, existing
from TransferRiskLib.cases.case import Case, ChannelFile, Cohort
from TransferRiskLib.cases.labels import LabelScheme

ENDING = ".nii.gz"
LESION_PARTS = LabelScheme.of("part 1", "part 2", "part 3", "part 4")
"""What the values of the lesion cohorts mean differs between them; together they are a lesion."""


def msd_hippocampus(data: Path) -> StudyCohort:
    """Decathlon hippocampus, anterior and posterior."""
    cases = _images_and_labels(data / "msd_hippocampus")
    return StudyCohort(Cohort(cases, LabelScheme.of("anterior", "posterior"), "MSD hippocampus"))


def oasis_hippocampus_crops(data: Path) -> StudyCohort:
    """OASIS hippocampus crops, left and right of a subject in two cases."""
    cases = _images_and_labels(data / "oasis_hippocampus_crops")
    return StudyCohort(Cohort(cases, LabelScheme.of("hippocampus"), "OASIS hippocampus crops"))


def oasis_t1_tissue(data: Path) -> StudyCohort:
    """OASIS whole brains with ventricles, grey and white matter."""
    cases = _images_and_labels(data / "oasis_t1_tissue", f"_T1{ENDING}", f"_csf1_gm2_wm3{ENDING}")
    return StudyCohort(Cohort(cases, LabelScheme.of("CSF", "GM", "WM"), "OASIS tissue"))


def brats2013_flair_t1c(data: Path) -> StudyCohort:
    """BraTS 2013: FLAIR and contrast-enhanced T1, with a brain mask (the background is not 0)."""
    cases, masks = [], {}
    for folder in _folders(data / "brats2013_flair_t1c"):
        cases.append(_flair_and_t1ce(folder.name, folder))
        masks[folder.name] = folder / f"brainmask{ENDING}"
    scheme = LabelScheme.of("necrosis", "edema", "non-enhancing", "enhancing")
    return StudyCohort(Cohort(tuple(cases), scheme, "BraTS 2013"), masks=masks)


def lesion_flair_t1ce(data: Path) -> StudyCohort:
    """Three tumour cases of BraTS 2013, one of the Decathlon and one patient with multiple sclerosis:
    whatever is labelled is a lesion."""
    tumours = brats2013_flair_t1c(data)
    cases = [*tumours.cohort.cases]
    crops = existing(data / "msd_brats_crops")
    for labels in sorted(crops.glob(f"*_label{ENDING}")):
        name = labels.name.removesuffix(f"_label{ENDING}")
        cases.append(_flair_and_t1ce(name, crops, f"{name}_"))
    for folder in _folders(data / "open_ms_4modal"):
        cases.append(_flair_and_t1ce(f"open_ms_{folder.name}", folder))
    merge: Merge = {name: "lesion" for name in LESION_PARTS.names[1:]}
    return StudyCohort(Cohort(tuple(cases), LESION_PARTS, "Lesions"), merge, tumours.masks)


def _flair_and_t1ce(name: str, folder: Path, prefix: str = "") -> Case:
    images = {c: ChannelFile(folder / f"{prefix}{c}{ENDING}") for c in ("FLAIR", "T1ce")}
    return Case(name, images, folder / f"{prefix}label{ENDING}")


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in existing(folder).iterdir() if path.is_dir())


def _images_and_labels(folder: Path, image_end: str = ENDING, label_end: str = ENDING) -> tuple[Case, ...]:
    """`images/NAME` and `labels/NAME` with these endings; `_L` and `_R` of one subject belong together."""
    cases = []
    for image in sorted((existing(folder) / "images").glob(f"*{image_end}")):
        name = image.name.removesuffix(image_end)
        subject = name[:-2] if name.endswith(("_L", "_R")) else name
        labels = folder / "labels" / (name + label_end)
        cases.append(Case(name, {"T1": ChannelFile(image)}, labels, subject=subject))
    return tuple(cases)
