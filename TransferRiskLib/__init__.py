"""TransferRisk: see where a segmentation model transfers, adapt it, segment the rest."""

__version__ = "0.1.0"
