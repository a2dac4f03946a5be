"""Experiments: the paper's tables and figures, each made by one command from pictures of your own.

base.py        what an experiment is              paper.py       Tables 1–6, Figures 3 and 5 as data
methods.py     what is compared                   measures.py    what is measured of each picture
run.py         plans jobs, and does a job         (csfnns.batch  shares jobs out, and keeps rows)
report.py      rows → Markdown, LaTeX, PNG        grid.py        pages of labelled pictures
statistics.py  means, intervals, accuracies       provenance.py  what rows are measured with

pairs.py       sets of covers and stegos          evaluation.py  how well detectors tell them apart
figure4.py     what their scores say              resize.py      covers and secrets at their sides
"""

from csfnns.batch.run import RunResult
from csfnns.batch.store import Store
from csfnns.experiments.base import Experiment
from csfnns.experiments.evaluation import (
    EvaluationConfig,
    EvaluationPlan,
    plan_evaluation,
    run_evaluation,
)
from csfnns.experiments.figure4 import render_figure4
from csfnns.experiments.methods import METHODS, Method
from csfnns.experiments.pairs import PairResult, PairSet, PairSpec, load_pairs, make_pairs
from csfnns.experiments.paper import PAPER
from csfnns.experiments.report import Rendered, render
from csfnns.experiments.run import Job, Plan, make_plan, run
from csfnns.registry import Registry

EXPERIMENTS = Registry("experiment", {experiment.name: experiment for experiment in PAPER})

__all__ = [
    "EXPERIMENTS",
    "METHODS",
    "EvaluationConfig",
    "EvaluationPlan",
    "Experiment",
    "Job",
    "Method",
    "PairResult",
    "PairSet",
    "PairSpec",
    "Plan",
    "Rendered",
    "RunResult",
    "Store",
    "load_pairs",
    "make_pairs",
    "make_plan",
    "plan_evaluation",
    "render",
    "render_figure4",
    "run",
    "run_evaluation",
]
