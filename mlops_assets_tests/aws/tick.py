"""Evaluates every sensor of the ordinary definitions once, and keeps house: ``python -m``.

Prints a line of JSON for each sensor and job: its name, and what it wants or why it wants nothing.
Not here: what AWS thinks of it (the world that this is run in).
"""

import json
import traceback

import dagster as dg


def main() -> None:
    from mlops_assets import definitions

    defs = definitions.defs()

    with dg.DagsterInstance.get() as instance:
        for sensor in defs.sensors or ():
            if isinstance(sensor, dg.AutomationConditionSensorDefinition):
                continue  # asks Dagster's storage alone
            assert isinstance(sensor, dg.SensorDefinition)
            try:
                with dg.build_sensor_context(
                    instance=instance, definitions=defs, resources=dict(defs.resources or {})
                ) as context:
                    tick = sensor.evaluate_tick(context)
                said = {"skipped": tick.skip_message, "runs": len(tick.run_requests or ())}
            except Exception:  # told, and judged by the test
                said = {"failed": traceback.format_exc()[-2000:]}
            print(json.dumps({"sensor": sensor.name, **said}), flush=True)
        for job in defs.resolve_all_job_defs():
            if job.name.endswith("_housekeeping"):
                done = job.execute_in_process(raise_on_error=False)
                said = {} if done.success else {"failed": str(done.all_events)[-2000:]}
                print(json.dumps({"sensor": job.name, **said}), flush=True)


if __name__ == "__main__":
    main()
