"""The jobs by name, what they reach, and the freshness that the UI shows."""

import datetime as dt

import dagster as dg

from mlops_assets.definitions import build_defs
from mlops_assets.pipeline import MODEL_STATIONS, Batch, Retraining
from mlops_assets.settings import Settings
from mlops_assets_tests.automation.loop_world import GROUP, declare


def reached(defs: dg.Definitions, job: str) -> set[str]:
    keys = defs.resolve_job_def(job).asset_layer.executable_asset_keys
    return {key.path[-1] for key in keys}


def test_the_loop_goes_from_raw_rows_to_the_endpoint_and_retraining_from_features(tmp_path):
    """A job that takes the monitoring along would judge what nobody has asked yet."""
    defs = build_defs(Settings.load(home=tmp_path), pipelines=[declare()])
    data = {"raw", "clean", "quarantine", "features", "profile", "drift"}
    assert reached(defs, f"{GROUP}_loop") == data | set(MODEL_STATIONS)
    assert reached(defs, f"{GROUP}_retraining") == set(MODEL_STATIONS)


def test_predictions_have_a_job_where_they_are_declared(tmp_path):
    def jobs(batch: Batch | None) -> dg.Definitions:
        return build_defs(Settings.load(home=tmp_path), pipelines=[declare(batch=batch)])

    assert reached(jobs(Batch()), f"{GROUP}_predictions") == {"predictions"}
    names = {job.name for job in jobs(None).resolve_all_job_defs()}
    assert f"{GROUP}_predictions" not in names


def test_who_does_not_roll_back_by_itself_has_no_such_job(tmp_path):
    def jobs(policy: Retraining) -> set[str]:
        defs = build_defs(Settings.load(home=tmp_path), pipelines=[declare(retraining=policy)])
        return {job.name for job in defs.resolve_all_job_defs()}

    assert f"{GROUP}_rollback" in jobs(Retraining())
    assert f"{GROUP}_rollback" not in jobs(Retraining(roll_back=False))


def test_freshness_is_shown_where_it_is_declared(tmp_path):
    def policy(retraining: Retraining) -> object:
        declared = declare(retraining=retraining)
        defs = build_defs(Settings.load(home=tmp_path), pipelines=[declared])
        (spec,) = [s for s in defs.resolve_all_asset_specs() if s.key.path[-1] == "model"]
        return spec.freshness_policy

    assert policy(Retraining()) is None
    shown = policy(Retraining(fresh_for=dt.timedelta(days=40)))
    assert shown == dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(days=40))
