"""The seven lines of the section Monitoring: what each needs to be given.

Here: the table. Not here: how a line is judged (`rule`), where the evidence comes from.
"""

import datetime as dt

from mlops_assets.assets.monitoring.scoring.rule import Rule

RULES = (
    Rule(
        "monitoring-1",
        "Monitoring",
        "changes of dependencies result in a notification",
        ("dependencies watched",),
        "turn on the sensor of the dependencies: it looks at the source's schema and version, the "
        "lock of the libraries, and a silent source",
        fresh_for=dt.timedelta(days=2),
    ),
    Rule(
        "monitoring-2",
        "Monitoring",
        "data invariants hold in training and serving inputs",
        ("clean/quarantine_share", "captures/decoded"),
        "serve with endpoint.capture_share > 0 and materialize captures: requests are held to the "
        "features' schema as rows are",
    ),
    Rule(
        "monitoring-3",
        "Monitoring",
        "training and serving features compute the same values",
        ("skew/skew",),
        "serve with endpoint.capture_share > 0 and materialize skew: captured features are "
        "compared with the offline ones, value by value",
    ),
    Rule(
        "monitoring-4",
        "Monitoring",
        "models are not too stale",
        ("champion's age",),
        "retrain: the champion may lack retraining.stale_after partitions at most",
    ),
    Rule(
        "monitoring-5",
        "Monitoring",
        "the model is numerically stable",
        ("model/artifact", "audit/numerically_stable"),
        "materialize model (golden rows) and audit: NaN, infinite and extreme inputs get finite "
        "answers or a clear refusal",
    ),
    Rule(
        "monitoring-6",
        "Monitoring",
        "no regression in training speed, serving latency, throughput, RAM",
        ("rollout latency", "training seconds"),
        "let a second model be trained and rolled out: latency and training time are compared "
        "with those before",
    ),
    Rule(
        "monitoring-7",
        "Monitoring",
        "no regression in prediction quality on served data",
        ("performance/performance",),
        "serve with endpoint.capture_share > 0 until labels arrive, and materialize performance",
    ),
)
