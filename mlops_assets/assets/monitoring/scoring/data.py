"""The seven lines of the section Data: what each needs to be given.

Here: the table. Not here: how a line is judged (`rule`), where the evidence comes from.
"""

from mlops_assets.assets.monitoring.scoring.rule import Rule

RULES = (
    Rule(
        "data-1",
        "Data",
        "feature expectations are captured in a schema",
        ("raw/raw_schema", "features/feature_schema"),
        "materialize features: raw_schema and feature_schema hold every row to the declared "
        "schemas",
    ),
    Rule(
        "data-2",
        "Data",
        "all features are beneficial",
        ("audit/features_help",),
        "materialize audit, of several partitions: each feature is permuted on the held-out rows. "
        "Take out those that do not help",
    ),
    Rule(
        "data-3",
        "Data",
        "no feature's cost is too much",
        ("audit/feature_cost",),
        "materialize audit: a feature that is mostly missing, or fills the request, must help",
    ),
    Rule(
        "data-4",
        "Data",
        "features adhere to meta-level requirements",
        ("audit/allowed_features",),
        "materialize audit: features come from the declared source and hold neither label, entity "
        "key nor personal columns",
    ),
    Rule(
        "data-5",
        "Data",
        "the data pipeline has appropriate privacy controls",
        ("audit/privacy",),
        "declare the personal columns and materialize audit: their values must be in no "
        "quarantined row, dataset or captured request",
    ),
    Rule(
        "data-6",
        "Data",
        "new features can be added quickly",
        ("lead time",),
        "commit, and let the loop serve a model of that commit: the time between is the lead time",
    ),
    Rule(
        "data-7",
        "Data",
        "all input feature code is tested",
        ("features/point_in_time", "tests of features"),
        "materialize features (point_in_time recomputes sampled rows), and test their code: make "
        "test of a commit, or keep CI's report: mlops scorecard {pipeline} --tests report.xml",
    ),
)
