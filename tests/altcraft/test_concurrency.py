"""Several runs at once, on databases with row locks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from django_altr.contrib.altcraft import clients
from django_altr.contrib.altcraft.mapping import registry
from django_altr.contrib.altcraft.models import Batch
from django_altr.contrib.altcraft.sync import Report, Synchronizer
from django_altr.redact import Redacted
from django_altr.sandbox import Sandbox
from django_altr.sandbox.altcraft import Altcraft
from tests.models import Subscriber

from .conftest import IMPORT_BATCH, subscribers

RUNS = 4


@pytest.mark.django_db(transaction=True)
def test_runs_at_the_same_time_send_each_profile_once(platform: Altcraft, sandbox: Sandbox) -> None:
    if not connection.features.has_select_for_update:
        pytest.skip("this database has no row locks")
    subscribers(400)
    start = Barrier(RUNS)

    def run() -> Report:
        try:
            synchronizer = Synchronizer(registry[Subscriber], batch_size=20)
            start.wait()
            return synchronizer.run(Redacted(registry[Subscriber].get_queryset()))
        finally:
            connection.close()

    with sandbox.misbehave(route=IMPORT_BATCH, latency=0.02), ThreadPoolExecutor(RUNS) as pool:
        reports = [future.result() for future in [pool.submit(run) for _ in range(RUNS)]]
    assert sum(report.delivered for report in reports) == 400
    assert len(platform.profiles()) == 400
    assert sum(record.values for record in sandbox.requests if record.route.endswith("import_batch")) == 400
    assert not Batch.objects.exists()
    clients.reset()
