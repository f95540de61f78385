"""Dagster's storage on Postgres, whose password may be changed while processes run.

RDS changes it every seven days. A task of ECS has the password of its start, and Dagster opens a
new connection for nearly everything that it writes: without this, every run under way then fails.
Here: asking Secrets Manager for the password of now, once the one that is known is refused. Not
here: what Dagster keeps (its own storage does that).
"""

import logging
import os
import time
from collections.abc import Mapping
from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

SCHEME = "postgresql+rotating"
# The secret's ARN, in each task's environment.
SECRET = "DAGSTER_POSTGRES_CREDENTIALS"  # noqa: S105 - its name
# RDS changes the database first and the secret some seconds later.
_WAITS_S = (0, 1, 2, 4, 8, 15)
_REFUSED = "password authentication failed"
_log = logging.getLogger(__name__)
_newest: dict[str, str] = {}


class RotatingPostgresStorage(DagsterPostgresStorage):
    """Configured like its parent, in dagster.yaml as ``storage: custom``, by ``postgres_db``.

    Without the variable ``DAGSTER_POSTGRES_CREDENTIALS`` it is its parent.
    """

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "RotatingPostgresStorage":
        database = {**config_value["postgres_db"], "scheme": SCHEME}
        return cls(
            pg_url_from_config({"postgres_db": database}),
            config_value.get("should_autocreate_tables", True),
            inst_data,
        )


class RotatingDialect(PGDialect_psycopg2):
    """psycopg2's, but that a refused password is asked for anew, for all engines of a process."""

    supports_statement_cache = True

    def connect(self, *cargs: Any, **cparams: Any) -> Any:
        secret = os.environ.get(SECRET, "")
        if secret in _newest:
            cparams["password"] = _newest[secret]
        waits = iter(_WAITS_S)
        while True:
            try:
                return super().connect(*cargs, **cparams)
            except self.loaded_dbapi.OperationalError as error:
                wait = next(waits, None)
                if not secret or wait is None or _REFUSED not in str(error):
                    raise
            time.sleep(wait)
            _log.warning("the database refuses the password that is known: asking for it anew")
            cparams["password"] = _newest[secret] = _current(secret)


def _current(secret: str) -> str:
    import json

    import boto3

    found = boto3.client("secretsmanager").get_secret_value(SecretId=secret)
    return str(json.loads(found["SecretString"])["password"])


registry.register("postgresql.rotating", __name__, RotatingDialect.__name__)
