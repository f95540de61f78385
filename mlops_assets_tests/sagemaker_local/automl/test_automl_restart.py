"""The server is killed in the middle of an AutoML job."""

from __future__ import annotations

import pytest

from mlops_assets_tests.sagemaker_local.api import eventually
from mlops_assets_tests.sagemaker_local.automl.automl_api import candidates, over, request, value

pytestmark = pytest.mark.integration


@pytest.mark.nightly
def test_an_automl_job_goes_on_after_the_server_was_killed(new_api):
    """Its candidates did nothing wrong: they are trained again, and it ends with a best one."""
    api = new_api("--job-stop-grace", "1")
    chosen = {"AlgorithmsConfig": [{"AutoMLAlgorithms": ["linear-learner"]}]}
    most = {"MaxCandidates": 1}
    asked = request(api, "killed", CandidateGenerationConfig=chosen, CompletionCriteria=most)
    api.sm.create_auto_ml_job_v2(**asked)
    eventually(lambda: candidates(api, "killed"))
    api.end(kill=True)
    api.start()
    found = over(api, "killed")
    assert found["AutoMLJobStatus"] == "Completed", found
    (only,) = candidates(api, "killed")
    assert only == found["BestCandidate"]
    assert value(only) > 0.5
