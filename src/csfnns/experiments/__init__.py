"""Experiments: the paper's tables and figures, each made by one command from pictures of one's own.

base.py       what an experiment is                table1.py … figure5.py   the declarations, with the paper's figures
methods.py    what is compared                     measures.py              what is measured of each picture
plan.py       jobs of a run, one a picture         run.py                   doing those that are not stored yet
store.py      rows on disk                         statistics.py            mean and interval
sheet.py      rows → a table of text               render.py                Markdown, LaTeX and PNG files
chart.py      a table as a picture                 grid.py                  pictures with labels
provenance.py what rows are made with

pairs.py      makes sets of covers and stegos      pair_wanted.py, pair_sources.py, pair_maker.py   of what, and how
pair_set.py   such a set as it lies there          judging.py      how well detectors tell its pairs apart
teaching.py   how networks learn from them
verdicts.py   what their scores say                figure4.py, verdict_chart.py   and how it looks
"""

from csfnns.experiments.base import Experiment
from csfnns.experiments.figure3 import FIGURE3
from csfnns.experiments.figure5 import FIGURE5
from csfnns.experiments.judging import JudgingPlan, Teaching, plan_judging, run_judging
from csfnns.experiments.methods import METHODS, Method
from csfnns.experiments.pair_set import PairSet, load_pairs
from csfnns.experiments.pair_wanted import Wanted
from csfnns.experiments.pairs import Made, make_pairs
from csfnns.experiments.plan import Job, Plan, make_plan
from csfnns.experiments.render import Rendered, render
from csfnns.experiments.run import Notify, Ran, run
from csfnns.experiments.store import Store
from csfnns.experiments.table1 import TABLE1
from csfnns.experiments.table2 import TABLE2
from csfnns.experiments.table3 import TABLE3
from csfnns.experiments.table4 import TABLE4
from csfnns.experiments.table5 import TABLE5
from csfnns.experiments.table6 import TABLE6

_ALL = (TABLE1, TABLE2, TABLE3, TABLE4, TABLE5, TABLE6, FIGURE3, FIGURE5)
EXPERIMENTS = {experiment.name: experiment for experiment in _ALL}

__all__ = [
    "EXPERIMENTS",
    "METHODS",
    "Experiment",
    "Job",
    "JudgingPlan",
    "Made",
    "Method",
    "Notify",
    "PairSet",
    "Plan",
    "Ran",
    "Rendered",
    "Store",
    "Teaching",
    "Wanted",
    "load_pairs",
    "make_pairs",
    "make_plan",
    "plan_judging",
    "render",
    "run",
    "run_judging",
]
