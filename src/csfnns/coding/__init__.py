"""Coding: bits into cheap changes of a cover that both ends know, and back."""

from csfnns.coding.arithmetic import decode, encode, joint
from csfnns.coding.distributions import GRAIN_SIGMA, energies, entropies, grain_delta
from csfnns.coding.layout import ALL_PARTITIONS, NOBODY, PARTITIONS, Layout, keyed_order, partitions
from csfnns.coding.models import RATES, Model, ModelName, capacity, least_rate, make_model

__all__ = [
    "ALL_PARTITIONS",
    "GRAIN_SIGMA",
    "NOBODY",
    "PARTITIONS",
    "RATES",
    "Layout",
    "Model",
    "ModelName",
    "capacity",
    "decode",
    "encode",
    "energies",
    "entropies",
    "grain_delta",
    "joint",
    "keyed_order",
    "least_rate",
    "make_model",
    "partitions",
]
