"""The seven lines of the section Infrastructure: what each needs to be given.

Here: the table. Not here: how a line is judged (`rule`), where the evidence comes from.
"""

from mlops_assets.assets.monitoring.scoring.rule import Rule

_TESTS = (
    "make test of a commit without local changes leaves a report that counts, or keep CI's: mlops "
    "scorecard {pipeline} --tests report.xml"
)

RULES = (
    Rule(
        "infrastructure-1",
        "Infrastructure",
        "training is reproducible",
        ("reproduced",),
        "mlops reproduce of the package that serves: trained again, the same byte for byte",
    ),
    Rule(
        "infrastructure-2",
        "Infrastructure",
        "model specifications are unit tested",
        ("tests of training",),
        _TESTS,
    ),
    Rule(
        "infrastructure-3",
        "Infrastructure",
        "the full pipeline is integration tested",
        ("tests of the loop",),
        _TESTS,
    ),
    Rule(
        "infrastructure-4",
        "Infrastructure",
        "quality is validated before serving",
        ("champion/quality", "champion/no_leak"),
        "declare evaluation.gates and let the loop evaluate what serves",
    ),
    Rule(
        "infrastructure-5",
        "Infrastructure",
        "the model can be debugged step by step on a single example",
        ("explained prediction",),
        "mlops explain-prediction EVENT_ID: from one answer to its rows, model, data and commit",
    ),
    Rule(
        "infrastructure-6",
        "Infrastructure",
        "models are tested by a canary before serving",
        ("canary",),
        "declare a rollout of Canary, Linear or Shadow and let a second version be rolled out",
    ),
    Rule(
        "infrastructure-7",
        "Infrastructure",
        "models can be rolled back quickly and safely",
        ("rollback drill",),
        "mlops rollback once a quarter, and back: its seconds are measured and kept",
    ),
)
