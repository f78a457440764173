"""Where a worker process begins: the coordinator names this function without loading what a worker needs."""

from __future__ import annotations

from multiprocessing.connection import Connection

from fuzzconv.campaign.settings import CampaignSettings


def enter_worker(connection: Connection, settings: CampaignSettings) -> None:
    """Import the worker and run it. In the coordinator that import would delay the start of all workers."""
    from fuzzconv.campaign.worker import worker_main

    worker_main(connection, settings)
