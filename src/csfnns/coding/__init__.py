"""Coding: bits into changes of a cover that both ends know, at the least cost, and out again."""

from csfnns.coding.interval import draw, nest, recover
from csfnns.coding.laws import GRAIN_SIGMA, energies, entropies, grain_delta
from csfnns.coding.models import Model, ModelName, make_model
from csfnns.coding.places import EVERY, SLOTS, Places, slots
from csfnns.coding.rates import RATES, capacity_at, carried, least_rate

__all__ = [
    "EVERY",
    "GRAIN_SIGMA",
    "RATES",
    "SLOTS",
    "Model",
    "ModelName",
    "Places",
    "capacity_at",
    "carried",
    "draw",
    "energies",
    "entropies",
    "grain_delta",
    "least_rate",
    "make_model",
    "nest",
    "recover",
    "slots",
]
