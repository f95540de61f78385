"""The seven lines of the section Model: what each needs to be given.

Here: the table. Not here: how a line is judged (`rule`), where the evidence comes from.
"""

from mlops_assets.assets.monitoring.scoring.rule import Rule

RULES = (
    Rule(
        "model-1",
        "Model",
        "every model specification is reviewed and checked in",
        ("commit on main", "second person"),
        "train from a commit of the main branch without local changes, and have another person "
        "approve the package (mlops promote, by AWS's word of who that is) or review the commit of "
        "the training script (Reviewed-by)",
    ),
    Rule(
        "model-2",
        "Model",
        "offline metrics correlate with online ones",
        ("offline agrees with online",),
        "serve with captures until the labels of three partitions are known: performance compares "
        "them with the champion's held-out figures",
    ),
    Rule(
        "model-3",
        "Model",
        "all hyperparameters have been tuned",
        ("hyperparameters/tuned",),
        "declare tuning and materialize hyperparameters: a search of the declared ranges with the "
        "code of now",
    ),
    Rule(
        "model-4",
        "Model",
        "the impact of model staleness is known",
        ("staleness/staleness_known",),
        "materialize staleness once models of three partitions are there: age against quality",
    ),
    Rule(
        "model-5",
        "Model",
        "a simpler model is not better",
        ("champion/beats_baselines",),
        "declare baselines and materialize evaluation of what serves",
    ),
    Rule(
        "model-6",
        "Model",
        "quality is sufficient on all important slices",
        ("audit/slices",),
        "declare evaluation.slices and materialize audit, of several partitions: each slice is "
        "answered better than by its own mean",
    ),
    Rule(
        "model-7",
        "Model",
        "the model is tested for considerations of inclusion",
        ("bias/bias",),
        "declare monitors.facets with gates and materialize bias",
    ),
)
