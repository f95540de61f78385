"""MLServer: write the settings that `mlserver start WORK` reads. python mlserver_settings.py
IMPLEMENTATION MODEL WORK."""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    implementation, model, work = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    work.mkdir(parents=True, exist_ok=True)
    # No worker processes: with one core they would only add a hop.
    (work / "settings.json").write_text(json.dumps({"debug": False, "parallel_workers": 0}))
    settings = {
        "name": "flights",
        "implementation": implementation,
        "parameters": {"uri": model, "version": "v1"},
    }
    (work / "model-settings.json").write_text(json.dumps(settings))
